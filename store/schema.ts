/** The tables of a store, and the check that a database has them. */

import { type Database, inTransaction, openDatabase } from "./database.ts";

/** The application id that identifies a store among databases: "tksv". */
const APPLICATION_ID = 0x746b7376;

/**
 * The version of the tables. A change of the tables adds a step that converts
 * those of the version before.
 */
export const SCHEMA_VERSION = 1;

/**
 * A checksum covers all columns of its row and the study's hash, so that a row
 * belongs to one study. A study states its number of trials, so that none can
 * be missing. Samples are stored apart from trials, because resuming reads no
 * samples.
 */
const TABLES = `
CREATE TABLE studies (
  number INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  identity TEXT NOT NULL CHECK (json_valid(identity)),
  name TEXT UNIQUE CHECK (name <> ''),
  description TEXT NOT NULL,
  program TEXT NOT NULL,
  created TEXT NOT NULL,
  trials INTEGER NOT NULL DEFAULT 0 CHECK (trials >= 0)
) STRICT;
CREATE TABLE trials (
  study INTEGER NOT NULL REFERENCES studies,
  number INTEGER NOT NULL CHECK (number >= 0),
  record TEXT NOT NULL CHECK (json_type(record) = 'object'),
  checksum INTEGER NOT NULL,
  PRIMARY KEY (study, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE trial_results (
  study INTEGER NOT NULL,
  number INTEGER NOT NULL,
  results BLOB NOT NULL CHECK (length(results) >= 8),
  checksum INTEGER NOT NULL,
  UNIQUE (study, number),
  FOREIGN KEY (study, number) REFERENCES trials
) STRICT;
CREATE TABLE states (
  study INTEGER PRIMARY KEY REFERENCES studies,
  trials INTEGER NOT NULL CHECK (trials > 0),
  state TEXT NOT NULL CHECK (json_valid(state)),
  checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE evaluations (
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  key TEXT NOT NULL CHECK (json_valid(key)),
  results BLOB NOT NULL CHECK (length(results) >= 8),
  checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE holders (
  study INTEGER PRIMARY KEY REFERENCES studies,
  pid INTEGER NOT NULL,
  since TEXT NOT NULL
) STRICT;
`;

/**
 * Whether a database is a store. Nothing is written.
 *
 * @param database The connection.
 * @param path The name of the database in error messages.
 * @returns False if it is empty.
 * @throws {Error} If it is another program's, a newer version's, or its tables
 *   are not those of its version.
 */
export function isStore(database: Database, path: string): boolean {
  const { id } = one<{ id: number }>(
    database,
    "SELECT application_id AS id FROM pragma_application_id",
  );
  const { version } = one<{ version: number }>(
    database,
    "SELECT user_version AS version FROM pragma_user_version",
  );
  const tables = tablesOf(database);
  if (tables === "" && id === 0) return false;
  if (id !== APPLICATION_ID) {
    throw new Error(
      `Cannot use ${path} as a store as it is another program's database`,
    );
  }
  if (version !== SCHEMA_VERSION) {
    throw new Error(
      `Cannot use ${path} as a store as its schema version must be ${SCHEMA_VERSION}: current value is ${version}`,
    );
  }
  if (tables !== expectedTables()) {
    throw new Error(
      `Cannot use ${path} as a store as its tables must be those of schema version ${SCHEMA_VERSION}`,
    );
  }
  return true;
}

/**
 * Creates the tables of a store if there are none yet.
 *
 * @param database The connection.
 * @param path The name of the database in error messages.
 */
export function makeTables(database: Database, path: string): void {
  inTransaction(database, () => {
    // Another process may have created them in the meantime.
    if (isStore(database, path)) return;
    database.exec(TABLES);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}

/** SQLite's definitions of tables, indices, triggers and views, as one text. */
function tablesOf(database: Database): string {
  return database.prepare<{ readonly sql: string | null }>(
    "SELECT sql FROM sqlite_schema ORDER BY rowid",
  ).all().map(({ sql }) => sql ?? "").join("\n");
}

/** The definitions of new tables. */
function expectedTables(): string {
  const fresh = openDatabase(":memory:", 0);
  try {
    fresh.exec(TABLES);
    return tablesOf(fresh);
  } finally {
    fresh.close();
  }
}

function one<Row>(database: Database, sql: string): Row {
  return database.prepare<Row>(sql).get()!;
}

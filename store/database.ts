/**
 * The part of `node:sqlite`, `node:zlib` and `node:fs` that the store uses, and
 * what their errors mean.
 */

import { builtin, process } from "../io/builtin.ts";

/** A value of a column; blobs are bytes. */
export type Column = string | number | null | Uint8Array;

/** A prepared statement. */
export interface Statement<Row> {
  /** Its first row. */
  get(...values: readonly Column[]): Row | undefined;
  /** All of its rows. */
  all(...values: readonly Column[]): Row[];
  /** Carries out the statement. */
  run(
    ...values: readonly Column[]
  ): { readonly lastInsertRowid: number | bigint };
}

/** A connection to a database. */
export interface Database {
  /** Carries out statements without values. */
  exec(sql: string): void;
  /** Prepares a statement. */
  prepare<Row>(sql: string): Statement<Row>;
  /** Closes the connection, and rolls back an open transaction. */
  close(): void;
}

/** The functions of `node:fs` that are used. */
interface FileSystem {
  statSync(
    path: string,
    options: { readonly throwIfNoEntry: false },
  ): { isFile(): boolean } | undefined;
  mkdirSync(path: string, options: { readonly recursive: true }): unknown;
  readdirSync(path: string): string[];
  rmSync(path: string, options: { readonly force: true }): void;
}

/** The file system of Node, which Deno has too. */
export function fileSystem(): FileSystem {
  return builtin("node:fs");
}

/** The number of this process; 0 where it has none. */
export function processId(): number {
  return process?.pid ?? 0;
}

/**
 * Opens a database.
 *
 * @param path The file, made when it is missing; ":memory:" for none.
 * @param timeout Milliseconds to wait for locks of other connections.
 * @returns The connection.
 * @throws {Error} If the runtime has no SQLite, or the file cannot be opened.
 */
export function openDatabase(path: string, timeout: number): Database {
  let sqlite: {
    DatabaseSync: new (
      path: string,
      options: { readonly timeout: number },
    ) => Database;
  };
  try {
    sqlite = builtin("node:sqlite");
  } catch (error) {
    throw new Error(
      `Cannot open ${path} as this runtime has no node:sqlite: a store needs Deno, or Node 22.13`,
      { cause: error },
    );
  }
  return new sqlite.DatabaseSync(path, { timeout });
}

/**
 * Runs several operations in one transaction. No other connection writes
 * meanwhile.
 *
 * @param database The connection.
 * @param body The operations, which must be synchronous.
 * @returns The result of `body`.
 */
export function inTransaction<T>(database: Database, body: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      database.exec("ROLLBACK");
    } catch {
      // SQLite has already rolled back the transaction, as it does when the
      // disk is full.
    }
    throw error;
  }
}

/** Whether an error says that another connection holds the lock. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message.includes("is locked");
}

/** SQLite's messages, with the words that tell a user what to do. */
const REASONS: readonly (readonly [string, string])[] = [
  ["file is not a database", "it is not a database"],
  ["database disk image is malformed", "it is a damaged database"],
  ["database is locked", "another program keeps it locked"],
  ["readonly database", "the system denies writing"],
  ["unable to open database file", "the system denies opening it"],
  ["database or disk is full", "the disk is full"],
  ["disk I/O error", "the disk refuses to read or write"],
];

/**
 * Says in one sentence what could not be done with a database, and why.
 *
 * @param action The action that failed, as in "read".
 * @param path The database.
 * @param error What was thrown.
 * @returns An error; the same one if it already is such a sentence.
 */
export function explain(action: string, path: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && message.startsWith("Cannot ")) return error;
  const known = REASONS.find(([said]) => message.includes(said));
  return new Error(`Cannot ${action} ${path} as ${known?.[1] ?? message}`, {
    cause: error,
  });
}

/**
 * A checksum. It detects accidental damage and slips; a person who means to
 * deceive could replace any checksum. A CRC finds every change of up to 32 bits
 * in a row. It takes a tenth of the time of SHA-256, which would take half of
 * the time of resuming a search with many trials.
 *
 * @param data A text, or bytes.
 * @param start The initial value, an integer in [0, 2^32). The same data with
 *   another initial value has another checksum.
 * @returns An integer in [0, 2^32).
 */
export function checksumOf(data: string | Uint8Array, start = 0): number {
  const { crc32 } = builtin<
    { crc32(data: string | Uint8Array, start: number): number }
  >("node:zlib");
  return crc32(data, start);
}

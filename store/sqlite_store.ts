/** A store of trials in a file of SQLite, or in memory. */

import type { Evaluation } from "../search/evaluate.ts";
import { directoryOf } from "../io/files.ts";
import {
  checksumOf,
  type Database,
  explain,
  fileSystem,
  inTransaction,
  isLocked,
  openDatabase,
  processId,
  type Statement,
} from "./database.ts";
import { canonicalJson, firstDifference, hashOf } from "./identity.ts";
import { type Lock, takeLock } from "./lock.ts";
import { decodeEvaluation, encodeEvaluation } from "./results.ts";
import { isStore, makeTables } from "./schema.ts";
import {
  type EvaluationKey,
  type StoredStudy,
  StudyBusyError,
  type StudyHolder,
  type StudyIdentity,
  type StudyOptions,
  type StudySummary,
  type TrialDetails,
  type TrialStore,
} from "./store.ts";

/** The options of a store. */
export interface StoreOptions {
  /** The version of the program, recorded with the studies that it begins. */
  readonly program: string;
  /**
   * Milliseconds to wait for other processes, each of which writes for a few
   * milliseconds at a time. Default 10,000.
   */
  readonly timeout?: number;
}

/** Milliseconds between two checks whether a study is free. */
const PATIENCE = 200;

/**
 * Opens a store in a file. The file and its folders are created if they are
 * missing. Several processes of one machine may have it open. Beside the file
 * lie `-wal` and `-shm` while it is open, and `-study-N.lock` while study N is
 * run. Leftover files of a killed process are removed when the store is next
 * opened.
 *
 * @param path The file; ":memory:" for a store that ends with the process.
 * @param options The program's version.
 * @returns The store.
 * @throws {Error} If the runtime has no SQLite, or the file is no store, or
 *   cannot be read and written.
 */
export async function openStore(
  path: string,
  { program, timeout = 10_000 }: StoreOptions,
): Promise<TrialStore> {
  const inMemory = path === ":memory:";
  let database: Database | null = null;
  try {
    if (!inMemory) prepareFile(path);
    database = openDatabase(path, timeout);
    // A database may hold code that runs when its tables are read.
    database.exec("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON");
    // This check comes first, so that the database of another program stays
    // unchanged.
    isStore(database, path);
    await useWriteAheadLog(database, timeout);
    makeTables(database, path);
    const store = new SqliteStore(database, inMemory ? null : path, program);
    store.sweep();
    return store;
  } catch (error) {
    database?.close();
    throw explain("open", path, error);
  }
}

function prepareFile(path: string): void {
  const { statSync, mkdirSync } = fileSystem();
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    mkdirSync(directoryOf(path), { recursive: true });
  } else if (!found.isFile()) {
    // A pipe would never answer.
    throw new Error(`Cannot open ${path} as it is not a file`);
  }
}

/**
 * Lets readers and a writer work at the same time. With `synchronous = FULL`, a
 * transaction then outlives a power cut.
 */
async function useWriteAheadLog(
  database: Database,
  timeout: number,
): Promise<void> {
  const deadline = performance.now() + timeout;
  while (true) {
    try {
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      return;
    } catch (error) {
      // SQLite does not wait for this lock itself.
      if (!isLocked(error) || performance.now() > deadline) throw error;
      await sleep(10);
    }
  }
}

interface StudyRow {
  readonly number: number;
  readonly hash: string;
  readonly identity: string;
  readonly name: string | null;
  readonly description: string;
  readonly program: string;
  readonly created: string;
  readonly trials: number;
}

interface TrialRow {
  readonly number: number;
  readonly record: string;
  readonly checksum: number;
}

interface ResultsRow {
  readonly results: Uint8Array;
  readonly checksum: number;
}

/**
 * A study that this process runs, with the lock that is released for others.
 */
interface Held {
  readonly row: StudyRow;
  /** The lock; null for a store in memory. */
  readonly lock: Lock | null;
}

class SqliteStore implements TrialStore {
  /** The studies that this store runs, by number. */
  readonly #held = new Map<number, Held>();
  readonly #database: Database;
  /** The path of the file; null for a store in memory. */
  readonly #path: string | null;
  readonly #program: string;

  constructor(database: Database, path: string | null, program: string) {
    this.#database = database;
    this.#path = path;
    this.#program = program;
  }

  async study<Trial>(
    identity: StudyIdentity,
    { name, description = identity.search, onWait, signal }: StudyOptions = {},
  ): Promise<StoredStudy<Trial>> {
    const text = canonicalJson(identity, "identity");
    const hash = await hashOf(text);
    const begin = { hash, identity: text, name: name ?? null, description };
    let taken = this.#attempt("open a study of", () => this.#take(begin));
    if ("pid" in taken && onWait) {
      onWait(taken);
      while ("pid" in taken) {
        await sleep(PATIENCE);
        signal?.throwIfAborted();
        taken = this.#attempt("open a study of", () => this.#take(begin));
      }
    }
    if ("pid" in taken) {
      throw new StudyBusyError(`this study of ${this.#label}`, taken);
    }
    try {
      return this.#open<Trial>(taken);
    } catch (error) {
      this.#release(taken);
      throw error;
    }
  }

  trialEvaluation(study: number, trial: number): Promise<Evaluation | null> {
    return this.#promise("read", () => {
      const row = this.#query<ResultsRow & { readonly hash: string }>(
        "SELECT results, checksum, hash FROM trial_results JOIN studies ON studies.number = study WHERE study = ? AND trial_results.number = ?",
      ).get(study, trial);
      if (row === undefined) return null;
      this.#check(
        `samples of trial ${trial} of study ${study}`,
        row.checksum,
        checksumIn(row.hash, trial, row.results),
      );
      return decodeEvaluation(row.results);
    });
  }

  async evaluation(key: EvaluationKey): Promise<Evaluation | null> {
    const hash = await hashOf(canonicalJson(key, "key"));
    return this.#attempt("read", () => {
      const row = this.#query<ResultsRow>(
        "SELECT results, checksum FROM evaluations WHERE hash = ?",
      ).get(hash);
      if (row === undefined) return null;
      this.#check(
        `the evaluation of schedule [${key.schedule}]`,
        row.checksum,
        checksumIn(hash, 0, row.results),
      );
      return decodeEvaluation(row.results);
    });
  }

  async keepEvaluation(
    key: EvaluationKey,
    evaluation: Evaluation,
  ): Promise<void> {
    const text = canonicalJson(key, "key");
    const hash = await hashOf(text);
    const results = encodeEvaluation(evaluation);
    this.#attempt("write", () => {
      this.#query(
        "INSERT OR REPLACE INTO evaluations (hash, key, results, checksum) VALUES (?, ?, ?, ?)",
      ).run(hash, text, results, checksumIn(hash, 0, results));
    });
  }

  list(name?: string): Promise<StudySummary[]> {
    return this.#promise(
      "read",
      () =>
        this.#transact(() =>
          this.#query<StudyRow>("SELECT * FROM studies ORDER BY number").all()
            .filter((row) =>
              name === undefined || `${row.name}/`.startsWith(`${name}/`)
            )
            .map(({ number, identity, ...row }): StudySummary => ({
              number,
              name: row.name,
              description: row.description,
              identity: JSON.parse(identity),
              program: row.program,
              created: row.created,
              trials: row.trials,
              holder: this.#holder(number),
            }))
        ),
    );
  }

  async *exportLines(name?: string): AsyncIterable<string> {
    const studies = await this.list(name);
    if (name !== undefined && studies.length === 0) {
      throw new RangeError(
        `Cannot export study ${name} as ${this.#label} has none of that name`,
      );
    }
    for (const { number, trials: _, holder: __, ...study } of studies) {
      yield JSON.stringify({ study: number, ...study }) + "\n";
      const rows = this.#attempt("read", () => this.#trials(number));
      for (const row of rows) {
        yield `{"study":${number},"number":${row.number},"trial":${row.record}}\n`;
      }
    }
  }

  close(): Promise<void> {
    return this.#promise("close", () => {
      for (const held of [...this.#held.values()]) this.#release(held);
      this.#database.close();
    });
  }

  /** Removes the lock files of processes that were killed. */
  sweep(): void {
    if (this.#path === null) return;
    const folder = directoryOf(this.#path);
    this.#transact(() => {
      for (const file of fileSystem().readdirSync(folder)) {
        const [, study] = /-study-(\d+)\.lock$/.exec(file) ?? [];
        if (study === undefined) continue;
        const path = this.#lockPath(+study);
        if (path.endsWith(file)) takeLock(path)?.release();
      }
    });
  }

  /**
   * Takes a study, and begins it if there is none. If another process has it,
   * returns the holder.
   */
  #take(
    { hash, identity, name, description }: Pick<
      StudyRow,
      "hash" | "identity" | "name" | "description"
    >,
  ): Held | StudyHolder {
    let lock: Lock | null = null;
    try {
      return this.#transact(() => {
        const known = this.#query<StudyRow>(
          "SELECT * FROM studies WHERE hash = ?",
        ).get(hash);
        if (known !== undefined && known.identity !== identity) {
          throw new RangeError(
            `Cannot use ${this.#label} as the identity of study ${known.number} must be as it was recorded: its hash does not match`,
          );
        }
        if (name !== null) this.#checkName(name, hash, identity);
        const number = known?.number ?? this.#begin({
          ...{ hash, identity, name, description },
          program: this.#program,
          created: now(),
        });
        if (this.#held.has(number)) return this.#recordedHolder(number);
        if (this.#path !== null) {
          lock = takeLock(this.#lockPath(number));
          if (lock === null) return this.#recordedHolder(number);
        }
        if (name !== null) {
          this.#query("UPDATE studies SET name = ? WHERE number = ?")
            .run(name, number);
        }
        // This replaces the entry of a killed process.
        this.#query("INSERT OR REPLACE INTO holders VALUES (?, ?, ?)")
          .run(number, processId(), now());
        const row = this.#query<StudyRow>(
          "SELECT * FROM studies WHERE number = ?",
        ).get(number)!;
        const held: Held = { row, lock };
        this.#held.set(number, held);
        return held;
      });
    } catch (error) {
      (lock as Lock | null)?.release();
      throw error;
    }
  }

  #begin(row: Omit<StudyRow, "number" | "trials">): number {
    const { hash, identity, name, description, program, created } = row;
    const { lastInsertRowid } = this.#query(
      "INSERT INTO studies (hash, identity, name, description, program, created) VALUES (?, ?, ?, ?, ?, ?)",
    ).run(hash, identity, name, description, program, created);
    return Number(lastInsertRowid);
  }

  /** Checks that a name belongs to one study only. */
  #checkName(name: string, hash: string, identity: string): void {
    const other = this.#query<StudyRow>(
      "SELECT * FROM studies WHERE name = ? AND hash <> ?",
    ).get(name, hash);
    if (other === undefined) return;
    const found = firstDifference(
      JSON.parse(identity),
      JSON.parse(other.identity),
      "",
    )!;
    throw new RangeError(
      `Cannot use the name ${name} for this study as study ${other.number} of ${this.#label} has it: ${found.field} is ${found.a} here and ${found.b} there`,
    );
  }

  /** Reads the records of a study. */
  #open<Trial>(held: Held): StoredStudy<Trial> {
    const { number } = held.row;
    const [recorded, state] = this.#attempt("read", () => {
      const rows = this.#trials(number);
      // Parsing all records at once takes half of the time.
      const records = `[${rows.map(({ record }) => record).join()}]`;
      return [
        JSON.parse(records) as Trial[],
        this.#state(held.row, rows.length),
      ];
    });
    let trials = recorded.length;
    const checkHeld = (): void => {
      if (this.#held.get(number) !== held) {
        throw new Error(
          `Cannot record a trial of study ${number} of ${this.#label} as it was released`,
        );
      }
    };
    return {
      ...{ number, recorded, state },
      append: (trial, details = {}) =>
        this.#promise("write", () => {
          checkHeld();
          this.#transact(() => this.#insert(held.row, trials, trial, details));
          trials++;
        }),
      takeOver: (others) =>
        this.#promise("write", () => {
          checkHeld();
          if (trials > 0) {
            throw new RangeError(
              `Cannot take over trials for study ${number} of ${this.#label} as it must have none: current value is ${trials}`,
            );
          }
          this.#transact(() => {
            for (const [i, trial] of others.entries()) {
              this.#insert(held.row, i, trial, {});
            }
          });
          trials = others.length;
        }),
      release: () => this.#promise("write", () => this.#release(held)),
    };
  }

  #insert(
    { number: study, hash }: StudyRow,
    number: number,
    trial: unknown,
    { evaluation, state }: TrialDetails,
  ): void {
    const record = plainJson(trial, "a trial");
    this.#query(
      "INSERT INTO trials (study, number, record, checksum) VALUES (?, ?, ?, ?)",
    ).run(study, number, record, checksumIn(hash, number, record));
    this.#query("UPDATE studies SET trials = ? WHERE number = ?")
      .run(number + 1, study);
    if (evaluation) {
      const results = encodeEvaluation(evaluation);
      this.#query(
        "INSERT INTO trial_results (study, number, results, checksum) VALUES (?, ?, ?, ?)",
      ).run(study, number, results, checksumIn(hash, number, results));
    }
    if (state !== undefined) {
      const text = plainJson(state, "the state of a search");
      const trials = number + 1;
      this.#query("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)")
        .run(study, trials, text, checksumIn(hash, trials, text));
    }
  }

  /** All trials of a study, as they were recorded. */
  #trials(study: number): readonly TrialRow[] {
    const { hash, trials } = this.#query<StudyRow>(
      "SELECT * FROM studies WHERE number = ?",
    ).get(study)!;
    const rows = this.#query<TrialRow>(
      "SELECT number, record, checksum FROM trials WHERE study = ? ORDER BY number",
    ).all(study);
    for (let i = 0; i < Math.max(trials, rows.length); i++) {
      if (rows[i]?.number !== i || i >= trials) {
        throw new RangeError(
          `Cannot use study ${study} of ${this.#label} as its trials must be ${trials} in a row: trial ${i} is ${
            i >= trials ? "one more" : "missing"
          }`,
        );
      }
      const { record, checksum } = rows[i];
      this.#check(
        `trial ${i} of study ${study}`,
        checksum,
        checksumIn(hash, i, record),
      );
    }
    return rows;
  }

  #state({ number, hash }: StudyRow, trials: number): unknown {
    const row = this.#query<
      { readonly trials: number; readonly state: string; checksum: number }
    >("SELECT trials, state, checksum FROM states WHERE study = ?").get(number);
    if (row === undefined) return null;
    this.#check(
      `the state of study ${number}`,
      row.checksum,
      checksumIn(hash, row.trials, row.state),
    );
    return row.trials === trials ? JSON.parse(row.state) : null;
  }

  #check(label: string, recorded: number, computed: number): void {
    if (recorded === computed) return;
    throw new RangeError(
      `Cannot use ${label} of ${this.#label} as it must be as it was recorded: its checksum is ${
        hexadecimal(computed)
      }, not ${hexadecimal(recorded)}`,
    );
  }

  /** The process that runs a study. It must be called within a transaction. */
  #holder(number: number): StudyHolder | null {
    if (this.#held.has(number)) return this.#recordedHolder(number);
    if (this.#path === null) return null;
    const lock = takeLock(this.#lockPath(number));
    if (lock === null) return this.#recordedHolder(number);
    lock.release();
    return null;
  }

  #recordedHolder(number: number): StudyHolder {
    const row = this.#query<StudyHolder>(
      "SELECT pid, since FROM holders WHERE study = ?",
    ).get(number)!;
    return { ...row };
  }

  #release(held: Held): void {
    const { row: { number }, lock } = held;
    if (this.#held.get(number) !== held) return;
    this.#held.delete(number);
    try {
      this.#transact(() => {
        this.#query("DELETE FROM holders WHERE study = ?").run(number);
        lock?.release();
      });
    } catch (error) {
      lock?.release();
      throw error;
    }
  }

  get #label(): string {
    return this.#path ?? "the store in memory";
  }

  #lockPath(study: number): string {
    return `${this.#path}-study-${study}.lock`;
  }

  #query<Row>(sql: string): Statement<Row> {
    return this.#database.prepare<Row>(sql);
  }

  #transact<T>(body: () => T): T {
    return inTransaction(this.#database, body);
  }

  /** Runs an operation. If it fails, the error says why in one sentence. */
  #attempt<T>(action: string, body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw explain(action, this.#label, error);
    }
  }

  async #promise<T>(action: string, body: () => T): Promise<T> {
    return await this.#attempt(action, body);
  }
}

/** A checksum that depends on a study, and on the number of a trial. */
function checksumIn(
  hash: string,
  trial: number,
  data: string | Uint8Array,
): number {
  return checksumOf(data, (checksumOf(hash) + trial) % 2 ** 32);
}

/** Writes a record as JSON. It refuses a record that JSON would change. */
function plainJson(value: unknown, label: string): string {
  if (typeof value !== "object" || value === null) {
    throw new RangeError(
      `Cannot store ${label} as it must be an object: current value is ${value}`,
    );
  }
  return JSON.stringify(value, (key, item) => {
    if (typeof item === "number" && !Number.isFinite(item)) {
      throw new RangeError(
        `Cannot store ${label} as ${key} must be finite: current value is ${item}`,
      );
    }
    return item;
  });
}

function hexadecimal(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

function now(): string {
  return new Date().toISOString();
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

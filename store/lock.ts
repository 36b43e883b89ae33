/**
 * The lock of a study. The process that runs the study holds a lock of the
 * operating system on a file beside the store. The lock ends with its process,
 * however the process ends. So no process number must be looked up, which would
 * mean nothing in another container, and no heartbeat is needed.
 */

import { fileSystem, isLocked, openDatabase } from "./database.ts";

/** A lock that this process holds. */
export interface Lock {
  /** Releases the lock, and removes its file. */
  release(): void;
}

/**
 * Takes a lock. SQLite takes it on an empty database, because it is the one way
 * to lock files that all runtimes share. Files are created and removed here, so
 * the caller must make sure that no other process is here meanwhile.
 *
 * @param path The file.
 * @returns The lock; null if another process holds it.
 */
export function takeLock(path: string): Lock | null {
  const database = openDatabase(path, 0);
  try {
    // The lock itself must leave no other file, such as a journal.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isLocked(error)) return null;
    throw error;
  }
  return {
    release() {
      database.close();
      fileSystem().rmSync(path, { force: true });
    },
  };
}

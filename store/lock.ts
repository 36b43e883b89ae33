/**
 * Who runs a study. The one who does holds a lock of the operating system on a
 * file beside the store. It goes with its process, however that ends, so there
 * is no process number to look up, which says nothing in another container, and
 * no sign of life to wait for.
 */

import { fileSystem, isLocked, openDatabase } from "./database.ts";

/** A lock that this process holds. */
export interface Lock {
  /** Lets go of it, and removes its file. */
  release(): void;
}

/**
 * Takes a lock. SQLite takes it, on an empty database: it is what runtimes have
 * in common that locks files. Files are made and removed here, so the caller must
 * see to it that nobody else is here meanwhile.
 *
 * @param path The file.
 * @returns The lock; null where another holds it.
 */
export function takeLock(path: string): Lock | null {
  const database = openDatabase(path, 0);
  try {
    // Of the lock itself no trace is to be left, such as a journal.
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

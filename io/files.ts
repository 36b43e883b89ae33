// Files of this machine, through the file system of Node, which Deno and Bun have
// too. An error is one sentence that names the file.

import type { ByteSource } from "../core/checkpoints/bytes.ts";
import { builtin, process } from "./builtin.ts";

/** The functions of `node:fs/promises` that are used. */
interface FileSystem {
  stat(path: string): Promise<{ readonly size: number; isFile(): boolean }>;
  lstat(path: string): Promise<unknown>;
  open(path: string, flag?: "wx"): Promise<FileHandle>;
  readFile(path: string): Promise<Uint8Array>;
  readdir(path: string): Promise<string[]>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly force: true }): Promise<void>;
}

interface FileHandle {
  read(
    out: Uint8Array,
    at: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  writeFile(content: string | Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

function fileSystem(): FileSystem {
  return builtin("node:fs/promises");
}

/**
 * A file as a source of bytes. It is opened anew for every range, so nothing
 * needs closing and ranges may be read at the same time.
 *
 * @param path The file.
 * @returns The source.
 * @throws {Error} If there is no such file.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const info = await fileSystem().stat(path).catch((error) => {
    throw cannot("read", path, error);
  });
  if (!info.isFile()) {
    throw new Error(`Cannot read ${path} as it is not a file`);
  }
  return {
    length: info.size,
    read: (offset, length) => readRange(path, offset, length),
  };
}

/**
 * A file as a source of bytes, if it exists.
 *
 * @param path The file.
 * @returns The source; null where there is nothing of that name.
 * @throws {Error} If the name is that of a folder, a device or a broken link.
 */
export async function openFileIfAny(path: string): Promise<ByteSource | null> {
  try {
    await fileSystem().lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw cannot("read", path, error);
  }
  return await openFile(path);
}

/** Reads `length` bytes from `offset` on. */
async function readRange(
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const file = await fileSystem().open(path).catch((error) => {
    throw cannot("read", path, error);
  });
  try {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await file.read(
        bytes,
        done,
        length - done,
        offset + done,
      );
      if (bytesRead === 0) {
        throw new Error(
          `Cannot read ${path} as it ends at byte ${
            offset + done
          }: bytes up to ${offset + length} were expected`,
        );
      }
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/**
 * Whether there is a file of that name.
 *
 * @param path The file.
 * @returns False where there is nothing, or something that is not a file.
 * @throws {Error} If the file system does not answer.
 */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await fileSystem().stat(path)).isFile();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw cannot("read", path, error);
  }
}

/**
 * Reads a whole file.
 *
 * @param path The file.
 * @returns Its bytes.
 * @throws {Error} If it cannot be read.
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  const bytes = await fileSystem().readFile(path).catch((error) => {
    throw cannot("read", path, error);
  });
  // Node gives a Buffer, whose slice() shares its memory.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Reads a whole text file.
 *
 * @param path The file.
 * @returns Its text, without a byte order mark.
 * @throws {Error} If it cannot be read.
 * @throws {SyntaxError} If it is not UTF-8.
 */
export async function readText(path: string): Promise<string> {
  return decodeText(await readBytes(path), path);
}

/**
 * Decodes UTF-8.
 *
 * @param bytes UTF-8, with a byte order mark or without.
 * @param label Their name in errors, usually a path.
 * @returns The text, without a byte order mark.
 * @throws {SyntaxError} If they are not UTF-8.
 */
export function decodeText(bytes: Uint8Array, label: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${label} as it is not UTF-8 text`, {
      cause: error,
    });
  }
}

/**
 * Reads a JSON file.
 *
 * @param path The file.
 * @returns The value, unchecked.
 * @throws {Error} If it cannot be read.
 * @throws {SyntaxError} If it is not JSON in UTF-8.
 */
export async function readJson(path: string): Promise<unknown> {
  return parseJson(await readText(path), path);
}

/**
 * Parses JSON.
 *
 * @param text The text.
 * @param label Its name in errors, usually a path.
 * @returns The value, unchecked.
 * @throws {SyntaxError} If it is not JSON.
 */
export function parseJson(text: string, label: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${label} as it is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The name of a temporary file, which takes the place of another. */
const TEMPORARY = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Attempts to write a file if its temporary one is removed meanwhile. */
const MOST_TRIES = 5;

/**
 * Writes a file completely or not at all: the content goes to a temporary file
 * beside it, which then takes its place. Missing folders are created. Once the
 * promise resolves, the file survives a power cut.
 *
 * @param path The file.
 * @param content Its new content; text is written as UTF-8.
 * @throws {Error} If it cannot be written; an older file is then unchanged.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  const folder = directoryOf(path);
  for (let tries = 1;; tries++) {
    const beside = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      await fileSystem().mkdir(folder, { recursive: true });
      const file = await fileSystem().open(beside, "wx");
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await fileSystem().rename(beside, path);
      await syncFolder(folder);
      return;
    } catch (error) {
      await fileSystem().rm(beside, { force: true }).catch(() => {});
      // A process that has just started took it for a leftover.
      if (codeOf(error) === "ENOENT" && tries < MOST_TRIES) continue;
      throw cannot("write", path, error);
    }
  }
}

/** Makes the names in a folder survive a power cut, if the system can. */
async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle | null = null;
  try {
    folder = await fileSystem().open(path);
    await folder.sync();
  } catch {
    // Windows cannot open folders, and some file systems cannot sync them.
  } finally {
    await folder?.close();
  }
}

/**
 * Removes temporary files that `writeAtomically` left in a folder when its process
 * was killed. A process that is writing there tries again.
 *
 * @param path The folder.
 * @throws {Error} If it cannot be read, or a file cannot be removed.
 */
export async function sweepTemporaries(path: string): Promise<void> {
  try {
    for (const name of await fileSystem().readdir(path)) {
      if (TEMPORARY.test(name)) {
        await fileSystem().rm(`${path}/${name}`, { force: true });
      }
    }
  } catch (error) {
    throw cannot("sweep", path, error);
  }
}

/**
 * The folder a file is in.
 *
 * @param path The file.
 * @returns The path up to the last separator, "." where there is none.
 */
export function directoryOf(path: string): string {
  const end = process?.platform === "win32"
    ? Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))
    : path.lastIndexOf("/");
  return end === -1 ? "." : end === 0 ? "/" : path.slice(0, end);
}

/** The error of an action on a file, with its reason, in one sentence. */
function cannot(action: string, path: string, error: unknown): Error {
  return new Error(`Cannot ${action} ${path} as ${reasonOf(error)}`, {
    cause: error,
  });
}

function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
    case "EPERM":
      return "the system denies access";
  }
  // Node writes "ENOSPC: no space left on device, write", then paths, which may be
  // temporary ones.
  return error instanceof Error
    ? error.message.replace(/^[A-Z0-9]+: /, "").replace(/, \w+( '[^]*)?$/, "")
    : String(error);
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

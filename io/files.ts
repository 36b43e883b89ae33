// Files: the only module of the library that touches Deno. Everything else in
// io/ takes bytes or text. An error is one sentence that names the file.

import type { ByteSource } from "../core/bytes.ts";

/**
 * A file as a source of bytes. It is opened anew for every range, so nothing
 * needs closing and ranges may be read at the same time.
 *
 * @param path The file.
 * @returns The source.
 * @throws {Error} If there is no such file.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const info = await Deno.stat(path).catch((error) => {
    throw cannot("read", path, error);
  });
  if (!info.isFile) throw new Error(`Cannot read ${path} as it is not a file`);
  return {
    length: info.size,
    read: (offset, length) => readRange(path, offset, length),
  };
}

/** Reads `length` bytes from `offset` on. */
async function readRange(
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  using file = await Deno.open(path).catch((error) => {
    throw cannot("read", path, error);
  });
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) {
      throw new Error(
        `Cannot read ${path} as it ends at byte ${offset + done}: bytes up to ${
          offset + length
        } were expected`,
      );
    }
    done += read;
  }
  return bytes;
}

/**
 * Whether there is a file of that name.
 *
 * @param path The file.
 * @returns False where there is nothing, or something that is not a file.
 * @throws {Error} If the file system does not say.
 */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
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
  return await Deno.readFile(path).catch((error) => {
    throw cannot("read", path, error);
  });
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
  const bytes = await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${path} as it is not UTF-8 text`, {
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
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${path} as it is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/**
 * Writes a text file, all of it or nothing: the text goes to a file beside it,
 * which then takes its place. Folders on the way are made.
 *
 * @param path The file.
 * @param text What it shall hold.
 * @throws {Error} If it cannot be written; an older file is then unchanged.
 */
export async function writeAtomically(
  path: string,
  text: string,
): Promise<void> {
  const beside = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.mkdir(directoryOf(path), { recursive: true });
    await Deno.writeTextFile(beside, text, { createNew: true });
    await Deno.rename(beside, path);
  } catch (error) {
    await Deno.remove(beside).catch(() => {});
    throw cannot("write", path, error);
  }
}

/**
 * Appends one value to a JSON Lines file, which is made when it is missing.
 *
 * @param path The file.
 * @param value The value, one line of JSON.
 * @throws {Error} If it cannot be written.
 */
export async function appendJsonLine(
  path: string,
  value: unknown,
): Promise<void> {
  try {
    await Deno.mkdir(directoryOf(path), { recursive: true });
    // One write per line: lines of several writers do not mix.
    await Deno.writeTextFile(path, JSON.stringify(value) + "\n", {
      append: true,
    });
  } catch (error) {
    throw cannot("write", path, error);
  }
}

/**
 * The folder a file is in.
 *
 * @param path The file.
 * @returns The path up to the last separator, "." where there is none.
 */
export function directoryOf(path: string): string {
  const end = Deno.build.os === "windows"
    ? Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))
    : path.lastIndexOf("/");
  return end === -1 ? "." : end === 0 ? "/" : path.slice(0, end);
}

/** Says in one sentence what could not be done with a file, and why. */
function cannot(action: string, path: string, error: unknown): Error {
  const reason = error instanceof Deno.errors.NotFound
    ? "there is no such file"
    : error instanceof Deno.errors.PermissionDenied
    ? "the system denies access"
    : error instanceof Error
    // Deno adds the call and its paths, where a temporary one may stand.
    ? error.message.replace(/: \w+ '[^]*$/, "")
    : String(error);
  return new Error(`Cannot ${action} ${path} as ${reason}`, { cause: error });
}

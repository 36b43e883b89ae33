/**
 * Files that tests read. They are fetched, as both Deno and a page can: the same
 * tests run in both (browser/run.ts).
 */

import {
  bytesInMemory,
  openSafetensors,
  type TensorStore,
} from "../core/mod.ts";

/**
 * Reads a file.
 *
 * @param path from this folder
 */
export async function readTestFile(path: string): Promise<Uint8Array> {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`Cannot read ${path}: ${response.status}`);
  return await response.bytes();
}

/** Reads a text file. */
export async function readTestText(path: string): Promise<string> {
  return new TextDecoder().decode(await readTestFile(path));
}

/** Opens a file of tensors. */
export async function openTestTensors(path: string): Promise<TensorStore> {
  return await openSafetensors(bytesInMemory(await readTestFile(path)), path);
}

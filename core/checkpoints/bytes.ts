// The one interface through which model files are read: from a file, a browser's
// File, HTTP ranges or memory. Reading ranges means that a 14 GB checkpoint is
// never held whole.
// This module is browser compatible.

/** A sequence of bytes of known length, readable range by range. */
export interface ByteSource {
  /** Length in bytes. */
  readonly length: number;
  /**
   * Reads exactly `length` bytes from `offset` on; rejects if the source has
   * fewer. The caller owns the array.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * A {@linkcode ByteSource} over bytes in memory.
 *
 * @param bytes The bytes; they are copied when read.
 * @returns The source.
 */
export function bytesInMemory(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.length,
    read(offset: number, length: number): Promise<Uint8Array> {
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
  };
}

/** Reads a range and checks its length. */
export async function readExactly(
  source: ByteSource,
  offset: number,
  length: number,
  label: string,
): Promise<Uint8Array> {
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) {
    throw new RangeError(
      `Cannot read ${label} as bytes ${offset} to ${
        offset + length
      } were asked for: current length of the answer is ${bytes.length}`,
    );
  }
  return bytes;
}

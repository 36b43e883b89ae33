/**
 * The bytes of a WebAssembly binary that are not instructions: LEB128
 * integers, little-endian floats, names, vectors and sections
 * (WebAssembly specification, chapter "Binary Format").
 *
 * This module is browser compatible.
 */

/** Bytes of a binary under construction: a plain array, which can be spread. */
export type Bytes = readonly number[];

/**
 * Unsigned LEB128, seven bits a byte, the lowest first: `u32` of the
 * specification.
 *
 * @throws {RangeError} When the value is not an integer in [0, 2³²).
 */
export function u32(value: number): Bytes {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    throw new RangeError(
      `Cannot encode a u32 as it must be an integer in [0, 2^32): current value is ${value}`,
    );
  }
  const bytes: number[] = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return bytes;
}

/**
 * Signed LEB128: `i32` of the specification. It ends at the first byte whose sign bit
 * (0x40) equals all remaining bits. Addresses from 2³¹ on may be unsigned; their bits
 * are the same.
 *
 * @throws {RangeError} When the value is not an integer in [−2³¹, 2³²).
 */
export function s32(value: number): Bytes {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 32) {
    throw new RangeError(
      `Cannot encode an i32 as it must be an integer in [-2^31, 2^32): current value is ${value}`,
    );
  }
  const bytes: number[] = [];
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  return [...bytes, rest & 0x7f];
}

/** The four bytes of a 32-bit float. */
export function f32Bytes(value: number): Bytes {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value, true);
  return [...new Uint8Array(view.buffer)];
}

/** The eight bytes of a 64-bit float. */
export function f64Bytes(value: number): Bytes {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return [...new Uint8Array(view.buffer)];
}

/** The number of elements, then the elements. */
export function vector(elements: readonly Bytes[]): Bytes {
  return [...u32(elements.length), ...elements.flat()];
}

/** A name: the number of its UTF-8 bytes, then the bytes. */
export function name(text: string): Bytes {
  const bytes = new TextEncoder().encode(text);
  return [...u32(bytes.length), ...bytes];
}

/** A section of a module: its number, its size, its content. */
export function section(id: number, content: Bytes): Bytes {
  return [id, ...u32(content.length), ...content];
}

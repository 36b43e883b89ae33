/** Seeded random numbers for tests; not for statistics or cryptography. */

import type { RgbImage } from "../core/mod.ts";

/**
 * A generator of uniform numbers in [0, 1): mulberry32 by Tommy Ettinger
 * (public domain), 32 bits of state.
 *
 * @param seed Any integer; equal seeds give equal sequences.
 * @returns The generator.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A uniform integer in [low, high], both included. */
export function randomInteger(
  random: () => number,
  low: number,
  high: number,
): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** `length` uniform numbers in [−1, 1), rounded to f32. */
export function randomFloats(
  random: () => number,
  length: number,
): Float32Array {
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

/** An image of `size` × `size` pixels, random bytes. */
export function noise(seed: number, size: number): RgbImage {
  const random = seededRandom(seed);
  const data = Uint8Array.from(
    { length: 3 * size * size },
    () => randomInteger(random, 0, 255),
  );
  return { width: size, height: size, data };
}

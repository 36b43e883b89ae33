/**
 * Seeded uniform numbers, the same on every platform: integer arithmetic only.
 *
 * A source is made from a key of integers, such as (seed, purpose, step), whenever
 * it is needed. So a resumable state holds a seed and a count, and no generator.
 */

// This module is browser compatible.

/** A source of uniform numbers in [0, 1). */
export type Prng = () => number;

/**
 * A source of uniform numbers with 32 random bits each. Different keys give
 * unrelated sequences.
 *
 * The generator is xoshiro128++ (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", 2021); its 128 bits are hashed from the key
 * with the finalizer of MurmurHash3 (Appleby).
 *
 * @param key Integers, of which the low 32 bits count.
 *
 * @example A die
 * ```ts
 * import { createPrng } from "@tokensieve/tokensieve/optim";
 *
 * const random = createPrng(1);
 * const die = 1 + Math.floor(6 * random());
 * ```
 */
export function createPrng(...key: readonly number[]): Prng {
  let hash = 0;
  for (const part of key) hash = mix(hash + 0x9e3779b9 ^ part);
  const nextHash = (): number => hash = mix(hash + 0x9e3779b9);
  let [a, b, c, d] = [nextHash(), nextHash(), nextHash(), nextHash()];

  return () => {
    const word = rotateLeft(a + d | 0, 7) + a >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return word / 2 ** 32;
  };
}

/** A bijection of 32-bit integers in which every bit depends on every bit. */
function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

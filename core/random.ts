/**
 * Seeded pseudo-random numbers, the same on every platform: integer
 * arithmetic only. Randomness is always a parameter in this library;
 * `Math.random` appears nowhere.
 *
 * This module is browser compatible.
 */

/** A source of random 32-bit words, and the draws the library needs. */
export interface Random {
  /** A uniform integer in [0, 2³²). */
  word(): number;
  /** A uniform real in [0, 1) with 32 random bits. */
  uniform(): number;
  /** A uniform real in [low, high). */
  between(low: number, high: number): number;
  /** A uniform integer in [0, n), n ≥ 1. */
  below(n: number): number;
  /** Approximately standard normal: four summed random bytes (Irwin–Hall). */
  normal(): number;
  /** One element of a non-empty list. */
  pick<T>(items: readonly T[]): T;
  /** The integers 0 … n − 1 in random order (Fisher–Yates). */
  permutation(n: number): number[];
}

/** Standard deviation of the sum of four uniform bytes: √(4 (256² − 1) / 12). */
const FOUR_BYTES_SD = Math.sqrt((4 * (256 * 256 - 1)) / 12);

/**
 * A random source from three 32-bit seed words. Distinct words give distinct
 * generator states, so streams named (split, seed, index) never coincide.
 *
 * The generator is sfc32 (Doty-Humphrey, PractRand).
 *
 * @example
 * ```ts
 * import { createRandom } from "@tokensieve/tokensieve/core";
 *
 * const random = createRandom(0, 1, 2);
 * const die = 1 + random.below(6);
 * ```
 */
export function createRandom(a: number, b: number = 0, c: number = 0): Random {
  a |= 0;
  b |= 0;
  c |= 0;
  let counter = 1;

  function word(): number {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + out | 0;
    return out >>> 0;
  }
  // Rounds until every state bit depends on every seed bit.
  for (let round = 0; round < 15; round++) word();

  const uniform = (): number => word() / 2 ** 32;
  const below = (n: number): number => Math.floor(uniform() * n);

  return {
    word,
    uniform,
    below,
    between: (low, high) => low + (high - low) * uniform(),
    normal() {
      const w = word();
      const sum = (w & 255) + ((w >>> 8) & 255) + ((w >>> 16) & 255) +
        (w >>> 24);
      return (sum - 510) / FOUR_BYTES_SD;
    },
    pick: (items) => items[below(items.length)],
    permutation(n) {
      const order = Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = below(i + 1);
        [order[i], order[j]] = [order[j], order[i]];
      }
      return order;
    },
  };
}

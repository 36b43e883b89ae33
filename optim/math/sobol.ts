/**
 * Sobol points: sequences that fill the unit cube more evenly than random
 * points do, in up to 64 dimensions, plain or scrambled.
 *
 * Direction numbers: S. Joe and F. Y. Kuo, "Constructing Sobol sequences with
 * better two-dimensional projections", SIAM J. Sci. Comput. 30, 2008 (their
 * table new-joe-kuo-6). Scrambling: J. Matoušek, "On the L2-discrepancy for
 * anchored boxes", J. Complexity 14, 1998. The points equal those of SciPy's
 * `qmc.Sobol`, also the scrambled ones where the random bits are the same.
 */

// This module is browser compatible.

import type { Prng } from "./random.ts";

/** A Sobol sequence. */
export interface Sobol {
  /** D, coordinates of a point. */
  readonly dimensions: number;
  /** Point number `index` of the sequence, an integer in [0, 2³⁰). */
  point(index: number): Float64Array;
}

/** Binary digits of a coordinate: points are multiples of 2⁻³⁰, as in SciPy. */
const BITS = 30;

/**
 * For each dimension after the first: a primitive polynomial over {0, 1}, whose
 * coefficients are the binary digits of the first number, and its initial
 * direction numbers m₁, m₂, …, one for each degree.
 */
const JOE_KUO: readonly (readonly number[])[] = [
  [3, 1],
  [7, 1, 3],
  [11, 1, 3, 1],
  [13, 1, 1, 1],
  [19, 1, 1, 3, 3],
  [25, 1, 3, 5, 13],
  [37, 1, 1, 5, 5, 17],
  [41, 1, 1, 5, 5, 5],
  [47, 1, 1, 7, 11, 19],
  [55, 1, 1, 5, 1, 1],
  [59, 1, 1, 1, 3, 11],
  [61, 1, 3, 5, 5, 31],
  [67, 1, 3, 3, 9, 7, 49],
  [91, 1, 1, 1, 15, 21, 21],
  [97, 1, 3, 1, 13, 27, 49],
  [103, 1, 1, 1, 15, 7, 5],
  [109, 1, 3, 1, 15, 13, 25],
  [115, 1, 1, 5, 5, 19, 61],
  [131, 1, 3, 7, 11, 23, 15, 103],
  [137, 1, 3, 7, 13, 13, 15, 69],
  [143, 1, 1, 3, 13, 7, 35, 63],
  [145, 1, 3, 5, 9, 1, 25, 53],
  [157, 1, 3, 1, 13, 9, 35, 107],
  [167, 1, 3, 1, 5, 27, 61, 31],
  [171, 1, 1, 5, 11, 19, 41, 61],
  [185, 1, 3, 5, 3, 3, 13, 69],
  [191, 1, 1, 7, 13, 1, 19, 1],
  [193, 1, 3, 7, 5, 13, 19, 59],
  [203, 1, 1, 3, 9, 25, 29, 41],
  [211, 1, 3, 5, 13, 23, 1, 55],
  [213, 1, 3, 7, 3, 13, 59, 17],
  [229, 1, 3, 1, 3, 5, 53, 69],
  [239, 1, 1, 5, 5, 23, 33, 13],
  [241, 1, 1, 7, 7, 1, 61, 123],
  [247, 1, 1, 7, 9, 13, 61, 49],
  [253, 1, 3, 3, 5, 3, 55, 33],
  [285, 1, 3, 1, 15, 31, 13, 49, 245],
  [299, 1, 3, 5, 15, 31, 59, 63, 97],
  [301, 1, 3, 1, 11, 11, 11, 77, 249],
  [333, 1, 3, 1, 11, 27, 43, 71, 9],
  [351, 1, 1, 7, 15, 21, 11, 81, 45],
  [355, 1, 3, 7, 3, 25, 31, 65, 79],
  [357, 1, 3, 1, 1, 19, 11, 3, 205],
  [361, 1, 1, 5, 9, 19, 21, 29, 157],
  [369, 1, 3, 7, 11, 1, 33, 89, 185],
  [391, 1, 3, 3, 3, 15, 9, 79, 71],
  [397, 1, 3, 7, 11, 15, 39, 119, 27],
  [425, 1, 1, 3, 1, 11, 31, 97, 225],
  [451, 1, 1, 1, 3, 23, 43, 57, 177],
  [463, 1, 3, 7, 7, 17, 17, 37, 71],
  [487, 1, 3, 1, 5, 27, 63, 123, 213],
  [501, 1, 1, 3, 5, 11, 43, 53, 133],
  [529, 1, 3, 5, 5, 29, 17, 47, 173, 479],
  [539, 1, 3, 3, 11, 3, 1, 109, 9, 69],
  [545, 1, 1, 1, 5, 17, 39, 23, 5, 343],
  [557, 1, 3, 1, 5, 25, 15, 31, 103, 499],
  [563, 1, 1, 1, 11, 11, 17, 63, 105, 183],
  [601, 1, 1, 5, 11, 9, 29, 97, 231, 363],
  [607, 1, 1, 5, 15, 19, 45, 41, 7, 383],
  [617, 1, 3, 7, 7, 31, 19, 83, 137, 221],
  [623, 1, 1, 1, 3, 23, 15, 111, 223, 83],
  [631, 1, 1, 5, 13, 31, 15, 55, 25, 161],
  [637, 1, 1, 3, 13, 25, 47, 39, 87, 257],
];

/** Most dimensions a Sobol sequence can have. */
export const MAX_SOBOL_DIMENSIONS: number = JOE_KUO.length + 1;

/**
 * A Sobol sequence. The first 2ᵐ points put the same number of points into
 * each half, quarter, … of every axis.
 *
 * @param dimensions D, an integer in [1, 64].
 * @param random Scrambles the sequence: every point is then uniform in the
 * cube, and its neighbours still fill the gaps. Plain without it: point 0 is
 * then the origin and point 1 the centre of the cube.
 * @returns The sequence.
 * @throws {RangeError} If there are too few or too many dimensions.
 *
 * @example The first four points of the plane
 * ```ts
 * import { createSobol } from "@tokensieve/tokensieve/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const sobol = createSobol(2);
 * const points = [0, 1, 2, 3].map((index) => [...sobol.point(index)]);
 * assertEquals(points, [[0, 0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]);
 * ```
 */
export function createSobol(dimensions: number, random?: Prng): Sobol {
  if (
    !Number.isInteger(dimensions) || dimensions < 1 ||
    dimensions > MAX_SOBOL_DIMENSIONS
  ) {
    throw new RangeError(
      `Cannot make Sobol points as dimensions must be an integer in [1, ${MAX_SOBOL_DIMENSIONS}]: current value is ${dimensions}`,
    );
  }
  // (D, BITS); digit b after the point of a coordinate is bit BITS − 1 − b.
  const directions = Array.from(
    { length: dimensions },
    (_, d) => directionNumbers(d),
  );
  const shift = new Int32Array(dimensions);
  if (random !== undefined) scramble(directions, shift, random);

  return {
    dimensions,
    point(index) {
      const grayCode = index ^ (index >>> 1);
      const coordinates = new Float64Array(dimensions);
      for (let d = 0; d < dimensions; d++) {
        let digits = shift[d];
        for (let bit = 0; grayCode >>> bit !== 0; bit++) {
          if ((grayCode >>> bit) & 1) digits ^= directions[d][bit];
        }
        coordinates[d] = digits / 2 ** BITS;
      }
      return coordinates;
    },
  };
}

/** The direction numbers of dimension d, each a coordinate of BITS digits. */
function directionNumbers(d: number): Int32Array {
  // Dimension 0 is the van der Corput sequence: every m is 1.
  const [polynomial, ...initial] = d === 0 ? [1] : JOE_KUO[d - 1];
  const degree = initial.length;
  const m = d === 0 ? Array(BITS).fill(1) : initial;
  // Bratley and Fox, "Algorithm 659", ACM Trans. Math. Softw. 14, 1988, (2):
  // mᵢ = 2a₁mᵢ₋₁ ⊕ 2²a₂mᵢ₋₂ ⊕ … ⊕ 2ˢmᵢ₋ₛ ⊕ mᵢ₋ₛ for degree s.
  for (let i = m.length; i < BITS; i++) {
    let next = m[i - degree];
    for (let k = 1; k <= degree; k++) {
      if ((polynomial >>> (degree - k)) & 1) next ^= m[i - k] << k;
    }
    m.push(next);
  }
  return Int32Array.from(m, (mI, i) => mI << (BITS - 1 - i));
}

/**
 * Linear matrix scramble and digital shift, in place: the digits of every
 * coordinate are multiplied, modulo 2, by a random lower triangular matrix with
 * ones on its diagonal, and random digits are added. Random bits are used in
 * SciPy's order.
 */
function scramble(
  directions: readonly Int32Array[],
  shift: Int32Array,
  random: Prng,
): void {
  const randomBit = (): number => random() < 0.5 ? 0 : 1;
  for (let d = 0; d < shift.length; d++) {
    for (let bit = 0; bit < BITS; bit++) shift[d] |= randomBit() << bit;
  }
  for (const directionsD of directions) {
    // Row r as a bit pattern: which digits of the old make digit r of the new.
    const rows = Array.from({ length: BITS }, (_, r) => {
      const digits = Array.from({ length: BITS }, randomBit);
      digits[r] = 1;
      return digits.slice(0, r + 1).reduce(
        (row, digit, column) => row | digit << (BITS - 1 - column),
        0,
      );
    });
    directionsD.forEach((direction, i) => {
      directionsD[i] = rows.reduce(
        (digits, row) => digits << 1 | parity(row & direction),
        0,
      );
    });
  }
}

/** 1 if an odd number of bits are set. */
function parity(word: number): number {
  for (let half = 16; half > 0; half >>= 1) word ^= word >>> half;
  return word & 1;
}

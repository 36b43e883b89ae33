/**
 * The linear algebra a Gaussian process needs: Cholesky factors, triangular
 * solves and the inverse of a symmetric matrix.
 *
 * A matrix is a row-major Float64Array of n rows and n columns. Sums are over
 * contiguous rows (products.ts). Source of the algorithms: Golub & Van Loan, Matrix
 * Computations, 4th edition, sections 3.1 and 4.2.
 */

// This module is browser compatible.

import { dot, dotRows, TILE } from "./products.ts";

/** Dot products of one tile, row by row. */
const dots = new Float64Array(TILE * TILE);

/**
 * The jitters that `choleskyWithJitter()` tries in this order, as shares of the
 * mean diagonal. The last is the variance of a noise of 1 % of the standard
 * deviation. A matrix that needs more is wrong rather than badly conditioned.
 */
export const JITTER_LADDER: readonly number[] = [0, 1e-10, 1e-8, 1e-6, 1e-4];

/** A Cholesky factor and the jitter it needed. */
export interface JitteredFactor {
  /** L, shape [n, n], zero above the diagonal. */
  readonly factor: Float64Array;
  /** Added to each diagonal element; 0 if nothing was needed. */
  readonly jitter: number;
}

/**
 * The lower triangular L with A = L Lᵀ.
 *
 * @param a A, symmetric, shape [n, n]; only its lower triangle is read.
 * @param n Rows.
 * @returns L, shape [n, n], zero above the diagonal.
 * @throws {RangeError} If A is not positive definite.
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  return choleskyWithJitter(a, n, [0]).factor;
}

/**
 * The Cholesky factor of A + jitter · I, with the first jitter of a ladder for
 * which it exists. Rounding can make the covariance matrix of close points
 * indefinite. The jitter acts like observation noise.
 *
 * @param a A, symmetric, shape [n, n]; only its lower triangle is read.
 * @param n Rows.
 * @param ladder Jitters to try, as shares of the mean of A's diagonal.
 * @returns The factor and the jitter.
 * @throws {RangeError} If A is not positive definite even with the last one.
 */
export function choleskyWithJitter(
  a: Float64Array,
  n: number,
  ladder: readonly number[] = JITTER_LADDER,
): JitteredFactor {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += a[i * n + i];
  let failure = "";
  for (const share of ladder) {
    const jitter = share === 0 ? 0 : share * trace / n;
    const factor = a.slice();
    for (let i = 0; i < n; i++) {
      factor[i * n + i] += jitter;
      factor.fill(0, i * n + i + 1, (i + 1) * n);
    }
    const pivot = factorInPlace(factor, n);
    if (pivot === n) return { factor, jitter };
    failure = `pivot ${pivot} is ${factor[pivot * n + pivot]}` +
      (jitter === 0 ? "" : ` with a jitter of ${jitter}`);
  }
  throw new RangeError(
    `Cannot factor the matrix as it must be positive definite: ${failure}`,
  );
}

/**
 * Overwrites the lower triangle of A with its Cholesky factor; the upper one is
 * neither read nor written.
 *
 * @param a A, shape [n, n].
 * @param n Rows.
 * @returns n, or the index of the first pivot that is not a positive finite
 * number; that pivot (before its square root) is then on the diagonal.
 */
export function factorInPlace(a: Float64Array, n: number): number {
  for (let i0 = 0; i0 < n; i0 += TILE) {
    for (let j0 = 0; j0 <= i0; j0 += TILE) {
      // Products with the columns that are finished; the tile's own follow.
      dotRows(a, i0, a, j0, n, 0, j0, dots);
      for (let i = i0; i < Math.min(i0 + TILE, n); i++) {
        for (let j = j0; j < Math.min(j0 + TILE, i + 1); j++) {
          let sum = a[i * n + j] - dots[(i - i0) * TILE + j - j0];
          for (let k = j0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
          if (j < i) {
            a[i * n + j] = sum / a[j * n + j];
          } else if (sum > 0 && sum < Infinity) {
            a[i * n + i] = Math.sqrt(sum);
          } else {
            a[i * n + i] = sum;
            return i;
          }
        }
      }
    }
  }
  return n;
}

/**
 * Solves L x = b.
 *
 * @param l L, shape [n, n].
 * @param n Rows.
 * @param b Right-hand side, length n, overwritten with x.
 */
export function solveLower(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    b[i] = (b[i] - dot(l, i * n, b, 0, i)) / l[i * n + i];
  }
}

/**
 * Solves Lᵀ x = b.
 *
 * @param l L, shape [n, n].
 * @param n Rows.
 * @param b Right-hand side, length n, overwritten with x.
 */
export function solveLowerTransposed(
  l: Float64Array,
  n: number,
  b: Float64Array,
): void {
  for (let i = n - 1; i >= 0; i--) {
    const x = b[i] / l[i * n + i];
    b[i] = x;
    // Column i of Lᵀ is row i of L: take its share off all that is to come.
    for (let k = 0; k < i; k++) b[k] -= l[i * n + k] * x;
  }
}

/**
 * The factor of a matrix that grew by one row and column, in O(n²): the new
 * row r of L solves L r = a, and its last element is √(diagonal − rᵀ r).
 *
 * @param l L, shape [n, n].
 * @param n Rows of L.
 * @param row The new row of A, length n + 1, its diagonal element last.
 * @returns The new factor, shape [n + 1, n + 1].
 * @throws {RangeError} If the matrix is not positive definite any more.
 */
export function appendRow(
  l: Float64Array,
  n: number,
  row: Float64Array,
): Float64Array {
  const m = n + 1;
  const grown = new Float64Array(m * m);
  for (let i = 0; i < n; i++) {
    grown.set(l.subarray(i * n, i * n + i + 1), i * m);
  }
  const last = grown.subarray(n * m);
  last.set(row);
  solveLower(l, n, last);
  const pivot = row[n] - dot(last, 0, last, 0, n);
  if (!(pivot > 0 && pivot < Infinity)) {
    throw new RangeError(
      `Cannot append a row to the factor as the matrix must stay positive definite: pivot ${n} is ${pivot}`,
    );
  }
  last[n] = Math.sqrt(pivot);
  return grown;
}

/**
 * U = L⁻ᵀ, which is upper triangular: row j of U is column j of L⁻¹.
 *
 * @param l L, shape [n, n].
 * @param n Rows.
 * @param u Result, shape [n, n]; all of it is written.
 */
export function invertTransposed(
  l: Float64Array,
  n: number,
  u: Float64Array,
): void {
  u.fill(0);
  for (let j0 = 0; j0 < n; j0 += TILE) {
    for (let i0 = j0; i0 < n; i0 += TILE) {
      // L L⁻¹ = I, row i, column j: Σ_k L[i,k] U[j,k] = 1 if i = j, else 0.
      dotRows(u, j0, l, i0, n, j0, i0, dots);
      for (let j = j0; j < Math.min(j0 + TILE, n); j++) {
        for (let i = Math.max(i0, j); i < Math.min(i0 + TILE, n); i++) {
          let sum = (i === j ? 1 : 0) - dots[(j - j0) * TILE + i - i0];
          for (let k = i0; k < i; k++) sum -= l[i * n + k] * u[j * n + k];
          u[j * n + i] = sum / l[i * n + i];
        }
      }
    }
  }
}

/**
 * A⁻¹ = U Uᵀ, of which only the lower triangle is made.
 *
 * @param u U = L⁻ᵀ as `invertTransposed()` leaves it, shape [n, n].
 * @param n Rows.
 * @param inverse Result, shape [n, n]; its upper triangle is left as it is.
 */
export function inverseFromTransposed(
  u: Float64Array,
  n: number,
  inverse: Float64Array,
): void {
  for (let i0 = 0; i0 < n; i0 += TILE) {
    for (let j0 = 0; j0 <= i0; j0 += TILE) {
      // Row i of U is zero before column i, and i0 ≤ i.
      dotRows(u, i0, u, j0, n, i0, n, dots);
      for (let i = i0; i < Math.min(i0 + TILE, n); i++) {
        for (let j = j0; j < Math.min(j0 + TILE, i + 1); j++) {
          inverse[i * n + j] = dots[(i - i0) * TILE + j - j0];
        }
      }
    }
  }
}

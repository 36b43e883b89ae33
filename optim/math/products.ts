/**
 * Dot products of contiguous numbers. A Gaussian process spends most of its time
 * here.
 */

// This module is browser compatible.

/**
 * Rows and columns of a tile of `dotRows()`. With 3 × 3 dot products at a time,
 * each loaded number is used three times, which is twice as fast as one dot product
 * at a time. Larger tiles do not fit the registers.
 */
export const TILE = 3;

/** Σ a[p + k] b[q + k] over k in [0, length). */
export function dot(
  a: Float64Array,
  p: number,
  b: Float64Array,
  q: number,
  length: number,
): number {
  // Four independent sums: an addition need not wait for the last one.
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < length; k += 4) {
    s0 += a[p + k] * b[q + k];
    s1 += a[p + k + 1] * b[q + k + 1];
    s2 += a[p + k + 2] * b[q + k + 2];
    s3 += a[p + k + 3] * b[q + k + 3];
  }
  for (; k < length; k++) s0 += a[p + k] * b[q + k];
  return s0 + s1 + (s2 + s3);
}

/**
 * Dot products of rows i … i + 2 of one matrix with rows j … j + 2 of another,
 * over some of their columns. A row beyond the last is replaced by the last, and
 * the caller ignores the result.
 *
 * @param a Shape [n, n].
 * @param i First row of `a`.
 * @param b Shape [n, n].
 * @param j First row of `b`.
 * @param n Rows and columns.
 * @param from First column.
 * @param to End of the columns.
 * @param dots Result, shape [3, 3]: row of `a` by row of `b`.
 */
export function dotRows(
  a: Float64Array,
  i: number,
  b: Float64Array,
  j: number,
  n: number,
  from: number,
  to: number,
  dots: Float64Array,
): void {
  const i1 = Math.min(i + 1, n - 1) - i;
  const i2 = Math.min(i + 2, n - 1) - i;
  const j1 = Math.min(j + 1, n - 1) - j;
  const j2 = Math.min(j + 2, n - 1) - j;
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let q = j * n + from;
  for (let p = i * n + from; p < i * n + to; p++, q++) {
    const a0 = a[p];
    const a1 = a[p + i1 * n];
    const a2 = a[p + i2 * n];
    const b0 = b[q];
    const b1 = b[q + j1 * n];
    const b2 = b[q + j2 * n];
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
  }
  dots[0] = s00;
  dots[1] = s01;
  dots[2] = s02;
  dots[3] = s10;
  dots[4] = s11;
  dots[5] = s12;
  dots[6] = s20;
  dots[7] = s21;
  dots[8] = s22;
}

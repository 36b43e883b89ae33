/**
 * The product of `linear` on the reference backend, twice as fast as its
 * definition and with the same bits: each sum still runs over the inputs from
 * first to last. Models on the reference backend spend nine tenths of their time
 * here.
 *
 * This module is browser compatible.
 */

import type { ProductSizes } from "./backend.ts";

/**
 * As `multiplyMatrices`, in blocks of 4 × 2 outputs whose sums stay in
 * registers. Rows past an edge repeat the last one, and their sums are not
 * stored.
 */
export function multiplyInBlocks(
  x: Float32Array,
  weight: Float32Array,
  { M, O, I }: ProductSizes,
): Float64Array {
  const out = new Float64Array(M * O);
  for (let m = 0; m < M; m += 4) {
    const [x0, x1, x2, x3] = [0, 1, 2, 3].map((r) =>
      Math.min(m + r, M - 1) * I
    );
    for (let o = 0; o < O; o += 2) {
      const w0 = o * I;
      const w1 = Math.min(o + 1, O - 1) * I;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      let s20 = 0;
      let s21 = 0;
      let s30 = 0;
      let s31 = 0;
      for (let i = 0; i < I; i++) {
        const a = weight[w0 + i];
        const b = weight[w1 + i];
        s00 += x[x0 + i] * a, s01 += x[x0 + i] * b;
        s10 += x[x1 + i] * a, s11 += x[x1 + i] * b;
        s20 += x[x2 + i] * a, s21 += x[x2 + i] * b;
        s30 += x[x3 + i] * a, s31 += x[x3 + i] * b;
      }
      const sums = [s00, s01, s10, s11, s20, s21, s30, s31];
      for (let r = 0; r < 8; r++) {
        const row = m + (r >> 1);
        const column = o + (r & 1);
        if (row < M && column < O) out[row * O + column] = sums[r];
      }
    }
  }
  return out;
}

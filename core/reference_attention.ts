/**
 * Attention of the reference backend. One loop gives the softmax row of every
 * query; attention and its scores are two uses of it.
 *
 * This module is browser compatible.
 */

import type { AttentionSpec, ScoreSpec, Span, Tensor } from "./backend.ts";
import { floats, integers, tensor } from "./reference_tensor.ts";

/**
 * Calls `use` with the softmax row of every (sample, query head, query): the
 * definition of attention that `attention` and `attentionScores` share.
 */
function forEachAttentionRow(
  q: Tensor,
  k: Tensor,
  { headWidth: E, causal }: AttentionSpec,
  rows: Span,
  use: (row: Float64Array, b: number, h: number, query: number) => void,
): void {
  const [B, Sq, qWidth] = q.shape;
  const [, Sk, kWidth] = k.shape;
  const H = qWidth / E;
  const K = kWidth / E;
  const kData = floats(k);
  const queries = causal ? integers(causal.queries) : null;
  const keys = causal ? integers(causal.keys) : null;
  const row = new Float64Array(Sk);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const kHead = Math.floor(h * K / H) * E;
      for (let i = rows.start; i < rows.start + rows.length; i++) {
        const qAt = (b * Sq + i) * qWidth + h * E;
        const qBih = floats(q).subarray(qAt, qAt + E);
        const last = queries ? queries[b * Sq + i] : Infinity;
        for (let j = 0; j < Sk; j++) {
          const visible = keys === null || keys[b * Sk + j] <= last;
          row[j] = visible
            ? dot(qBih, kData, (b * Sk + j) * kWidth + kHead) / Math.sqrt(E)
            : -Infinity;
        }
        softmax(row);
        use(row, b, h, i);
      }
    }
  }
}

/** a · b[offset ..]. Four partial sums, as additions to one would wait in line. */
function dot(a: Float32Array, b: Float32Array, offset: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < a.length; i += 4) {
    s0 += a[i] * b[offset + i];
    s1 += a[i + 1] * b[offset + i + 1];
    s2 += a[i + 2] * b[offset + i + 2];
    s3 += a[i + 3] * b[offset + i + 3];
  }
  for (; i < a.length; i++) s0 += a[i] * b[offset + i];
  return s0 + s1 + s2 + s3;
}

/** In place. Subtracting the largest value first keeps exp in range. */
function softmax(row: Float64Array): void {
  let max = -Infinity;
  for (const value of row) if (value > max) max = value;
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += row[j] = Math.exp(row[j] - max);
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

/** `Backend.attention`: each output row is its softmax row times the values. */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  spec: AttentionSpec,
): Tensor {
  const out = tensor(q.shape);
  const [, Sq, qWidth] = q.shape;
  const [, Sk, vWidth] = v.shape;
  const E = spec.headWidth;
  const values = floats(v);
  const sums = new Float64Array(E);
  const all = { start: 0, length: Sq };
  forEachAttentionRow(q, k, spec, all, (row, b, h, i) => {
    const vBh = b * Sk * vWidth + Math.floor(h * vWidth / qWidth) * E;
    sums.fill(0);
    for (let j = 0; j < Sk; j++) {
      const weight = row[j];
      if (weight === 0) continue;
      const vBhj = vBh + j * vWidth;
      for (let e = 0; e < E; e++) sums[e] += weight * values[vBhj + e];
    }
    out.data.set(sums, (b * Sq + i) * qWidth + h * E);
  });
  return out;
}

/** `Backend.attentionScores`: the same softmax rows, summed column by column. */
export function attentionScores(q: Tensor, k: Tensor, spec: ScoreSpec): Tensor {
  const [B, , qWidth] = q.shape;
  const H = qWidth / spec.headWidth;
  const { start, length: N } = spec.keyColumns;
  const sums = new Float64Array(B * N);
  forEachAttentionRow(q, k, spec, spec.queryRows, (row, b) => {
    for (let n = 0; n < N; n++) sums[b * N + n] += row[start + n] / H;
  });
  return tensor([B, N], Float32Array.from(sums));
}

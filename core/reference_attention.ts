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
  const queries = causal ? integers(causal.queries) : null;
  const keys = causal ? integers(causal.keys) : null;
  const row = new Float64Array(Sk);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < qWidth / E; h++) {
      const qBh = headRows(q, b, h, E);
      const kBh = headRows(k, b, Math.floor(h * kWidth / qWidth), E);
      for (let i = rows.start; i < rows.start + rows.length; i++) {
        const last = queries ? queries[b * Sq + i] : Infinity;
        for (let j = 0; j < Sk; j++) {
          const visible = keys === null || keys[b * Sk + j] <= last;
          row[j] = visible
            ? dot(qBh, i * E, kBh, j * E, E) / Math.sqrt(E)
            : -Infinity;
        }
        softmax(row);
        use(row, b, h, i);
      }
    }
  }
}

/** One head of one sample of x [B, S, heads · E], in 64 bits, shape [S, E]. */
function headRows(x: Tensor, b: number, head: number, E: number): Float64Array {
  const [, S, width] = x.shape;
  const out = new Float64Array(S * E);
  for (let s = 0; s < S; s++) {
    const at = (b * S + s) * width + head * E;
    out.set(floats(x).subarray(at, at + E), s * E);
  }
  return out;
}

/** a[ai ..] · b[bi ..] over n elements; additions to one sum would wait in line. */
function dot(
  a: Float64Array,
  ai: number,
  b: Float64Array,
  bi: number,
  n: number,
): number {
  let [even, odd] = [0, 0];
  let i = 0;
  for (; i + 1 < n; i += 2) {
    even += a[ai + i] * b[bi + i];
    odd += a[ai + i + 1] * b[bi + i + 1];
  }
  return i < n ? even + odd + a[ai + i] * b[bi + i] : even + odd;
}

/** In place. Subtracting the largest value first keeps exp in range. */
function softmax(row: Float64Array): void {
  let max = -Infinity;
  for (const value of row) if (value > max) max = value;
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += row[j] = Math.exp(row[j] - max);
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

/** `Backend.attention` of the reference. */
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
  const sums = new Float64Array(E);
  const all = { start: 0, length: Sq };
  let vBh: Float64Array = sums;
  forEachAttentionRow(q, k, spec, all, (row, b, h, i) => {
    if (i === 0) vBh = headRows(v, b, Math.floor(h * vWidth / qWidth), E);
    sums.fill(0);
    for (let j = 0; j < Sk; j++) {
      const weight = row[j];
      if (weight === 0) continue;
      for (let e = 0; e < E; e++) sums[e] += weight * vBh[j * E + e];
    }
    out.data.set(sums, (b * Sq + i) * qWidth + h * E);
  });
  return out;
}

/** `Backend.attentionScores` of the reference. */
export function attentionScores(q: Tensor, k: Tensor, spec: ScoreSpec): Tensor {
  const [B, , qWidth] = q.shape;
  const H = qWidth / spec.headWidth;
  const { queryRows, keyColumns, heads = "mean", queryWeights } = spec;
  const { start, length: N } = keyColumns;
  const R = queryRows.length;

  // what counts of each query's attention, shape [B, R, N]
  const counted = new Float64Array(B * R * N);
  forEachAttentionRow(q, k, spec, queryRows, (row, b, _, query) => {
    const at = (b * R + query - queryRows.start) * N;
    for (let n = 0; n < N; n++) {
      const weight = row[start + n];
      counted[at + n] = heads === "mean"
        ? counted[at + n] + weight / H
        : Math.max(counted[at + n], weight);
    }
  });

  // sum over the queries
  const sums = new Float64Array(B * N);
  for (let query = 0; query < B * R; query++) {
    const to = Math.floor(query / R) * N;
    const factor = queryWeights ? floats(queryWeights)[query] : 1;
    for (let n = 0; n < N; n++) sums[to + n] += factor * counted[query * N + n];
  }
  return tensor([B, N], Float32Array.from(sums));
}

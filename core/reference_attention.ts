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
  const row = new Float64Array(Sk);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let i = rows.start; i < rows.start + rows.length; i++) {
        const qBih = floats(q).subarray((b * Sq + i) * qWidth + h * E).subarray(
          0,
          E,
        );
        for (let j = 0; j < Sk; j++) {
          const visible = causal === undefined ||
            integers(causal.keys)[b * Sk + j] <=
              integers(causal.queries)[b * Sq + i];
          const at = (b * Sk + j) * kWidth + Math.floor(h * K / H) * E;
          row[j] = visible
            ? dot(qBih, floats(k), at) / Math.sqrt(E)
            : -Infinity;
        }
        softmax(row);
        use(row, b, h, i);
      }
    }
  }
}

function dot(a: Float32Array, b: Float32Array, offset: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[offset + i];
  return sum;
}

/** In place. Subtracting the largest value first keeps exp in range. */
function softmax(row: Float64Array): void {
  let max = -Infinity;
  for (const value of row) max = Math.max(max, value);
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += row[j] = Math.exp(row[j] - max);
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

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
  forEachAttentionRow(q, k, spec, all, (row, b, h, i) => {
    const vBh = b * Sk * vWidth + Math.floor(h * vWidth / qWidth) * E;
    sums.fill(0);
    for (let j = 0; j < Sk; j++) {
      if (row[j] === 0) continue;
      for (let e = 0; e < E; e++) {
        sums[e] += row[j] * floats(v)[vBh + j * vWidth + e];
      }
    }
    out.data.set(sums, (b * Sq + i) * qWidth + h * E);
  });
  return out;
}

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

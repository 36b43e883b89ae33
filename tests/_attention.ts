/**
 * Attention in its textbook form, with explicit matrices, and on the reference
 * backend.
 */

import type { AttentionSpec, Span, Tensor } from "../core/mod.ts";
import { randomFloats, seededRandom } from "./_random.ts";
import { contents, indices, range, reference, tensor } from "./_reference.ts";

/** Rows of numbers. */
export type Matrix = number[][];

/** Query, key and value of a batch, on the host. */
export interface Heads {
  readonly B: number;
  readonly Sq: number;
  readonly Sk: number;
  readonly H: number;
  readonly K: number;
  readonly E: number;
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  /** Position ids of queries [B, Sq] and keys [B, Sk]; none: not causal. */
  readonly positions?: { queries: number[]; keys: number[] };
}

/** Heads of the given sizes, the same for the same seed. */
export function randomHeads(
  seed: number,
  sizes: Omit<Heads, "q" | "k" | "v">,
): Heads {
  const { B, Sq, Sk, H, K, E } = sizes;
  const random = seededRandom(seed);
  // Scores of a few units, so that softmax rows are far from uniform.
  const wide = (n: number) => randomFloats(random, n).map((x) => 4 * x);
  return {
    ...sizes,
    q: wide(B * Sq * H * E),
    k: wide(B * Sk * K * E),
    v: wide(B * Sk * K * E),
  };
}

/** Rows of one head of one sample, as a matrix [S, E]. */
function headMatrix(
  data: Float32Array,
  S: number,
  heads: number,
  E: number,
  b: number,
  head: number,
): Matrix {
  return range(S).map((s) => {
    const at = ((b * S + s) * heads + head) * E;
    return [...data.subarray(at, at + E)];
  });
}

function product(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    b[0].map((_, j) => row.reduce((sum, x, i) => sum + x * b[i][j], 0))
  );
}

function transpose(a: Matrix): Matrix {
  return a[0].map((_, j) => a.map((row) => row[j]));
}

/** softmax(Q Kᵀ / √E + mask), shape [Sq, Sk], of one sample and query head. */
export function attentionMatrix(heads: Heads, b: number, h: number): Matrix {
  const { Sq, Sk, H, K, E, q, k, positions } = heads;
  const Q = headMatrix(q, Sq, H, E, b, h);
  const groupSize = H / K;
  const keys = headMatrix(k, Sk, K, E, b, Math.floor(h / groupSize));
  return product(Q, transpose(keys)).map((row, i) => {
    const weights = row.map((score, j) => {
      const hidden = positions !== undefined &&
        positions.keys[b * Sk + j] > positions.queries[b * Sq + i];
      return hidden ? 0 : Math.exp(score / Math.sqrt(E));
    });
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  });
}

/** The whole of attention, shape [B, Sq, H·E]. */
export function denseAttention(heads: Heads): number[] {
  const { B, Sq, Sk, H, K, E, v } = heads;
  const out = new Array<number>(B * Sq * H * E);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const values = headMatrix(v, Sk, K, E, b, Math.floor(h / (H / K)));
      product(attentionMatrix(heads, b, h), values).forEach((row, i) =>
        row.forEach((x, e) => out[((b * Sq + i) * H + h) * E + e] = x)
      );
    }
  }
  return out;
}

/** Query, key and value on the reference backend. */
export function onDevice(
  { B, Sq, Sk, H, K, E, q, k, v, positions }: Heads,
): { q: Tensor; k: Tensor; v: Tensor; spec: AttentionSpec } {
  return {
    q: tensor([B, Sq, H * E], q),
    k: tensor([B, Sk, K * E], k),
    v: tensor([B, Sk, K * E], v),
    spec: {
      headWidth: E,
      ...(positions && {
        causal: {
          queries: indices([B, Sq], positions.queries),
          keys: indices([B, Sk], positions.keys),
        },
      }),
    },
  };
}

/** `attention` on the reference backend. */
export function attend(heads: Heads): Promise<Float32Array> {
  const { q, k, v, spec } = onDevice(heads);
  return reference.read(reference.attention(q, k, v, spec));
}

/** `attentionScores` on the reference backend. */
export function score(
  heads: Heads,
  queryRows: Span,
  keyColumns: Span,
): Promise<{ shape: number[]; values: number[] }> {
  const { q, k, spec } = onDevice(heads);
  return contents(
    reference.attentionScores(q, k, { ...spec, queryRows, keyColumns }),
  );
}

/** Positions that Sort & Reduce leaves of two samples, [2, 6]. */
export const GAPS: number[] = [0, 1, 4, 9, 30, 31, 0, 1, 2, 17, 30, 31];
/** These two samples. */
export const PRUNED: Omit<Heads, "H" | "K" | "q" | "k" | "v"> = {
  B: 2,
  Sq: 6,
  Sk: 6,
  E: 3,
  positions: selfPositions(GAPS),
};

/** Tokens at these positions, each a query and a key. */
export function selfPositions(
  ids: number[],
): { queries: number[]; keys: number[] } {
  return { queries: ids, keys: ids };
}

/**
 * The reference backend: every operation as a plain loop. It is the definition
 * of each operation, to be read, and the oracle of every test. Values are stored
 * as 32-bit floats; sums run in JavaScript's 64-bit numbers and are rounded
 * once, at the end, so this is more accurate than any 32-bit backend.
 *
 * This module is browser compatible.
 */

import type {
  Activation,
  AttentionSpec,
  Backend,
  Indices,
  LinearOptions,
  RowUpload,
  ScoreSpec,
  Span,
  Tensor,
  Weight,
} from "../backend.ts";
import { erf } from "./erf.ts";
import {
  storedValues,
  type WeightOptions,
  weightSuffix,
  type WeightType,
} from "../checkpoints/quantize.ts";
import { checkRows, checkSize, sizeOf } from "../sizes.ts";

/** How to make a reference backend. */
export interface ReferenceOptions extends WeightOptions {
  /**
   * How `linear` multiplies: default {@linkcode multiplyMatrices}, the
   * definition. `multiplyInBlocks` gives the same bits in half the time.
   */
  readonly product?: MatrixProduct;
}

/**
 * Creates the reference backend.
 *
 * @example
 * ```ts
 * import { createReferenceBackend } from "@tokensieve/tokensieve/core";
 *
 * const backend = createReferenceBackend();
 * const scores = backend.upload(Float32Array.of(0.1, 0.7, 0.2, 0.7), [1, 4]);
 * console.log(await backend.read(backend.topK(scores, 2))); // Int32Array [1, 3]
 * ```
 */
export function createReferenceBackend(
  { weightType = "f32", product = multiplyMatrices }: ReferenceOptions = {},
): Backend {
  return {
    name: `reference (plain TypeScript loops)${weightSuffix(weightType)}`,
    ...uploadOperations(weightType),
    read,
    scope: (body) => body(), // the garbage collector frees host memory
    free: () => {},
    linear: (x, weight, options) => linear(product, x, weight, options),
    layerNorm,
    rmsNorm,
    rope,
    attention,
    attentionScores,
    topK,
    gatherRows,
    sliceRows,
    reshape: (x, shape) => tensor(shape, floats(x)), // values never change
    concat,
    add,
    multiply,
    aboveMean,
    embed,
  };
}

/** A tensor of this backend: a shape over host memory. */
interface HostTensor extends Tensor {
  /** Row-major; its length is the product of `shape`. */
  readonly data: Float32Array;
}

/** Integers of this backend. */
interface HostIndices extends Indices {
  /** Row-major; its length is the product of `shape`. */
  readonly data: Int32Array;
}

/** Weights of a linear layer of this backend, rounded as its weight type stores them. */
interface HostWeight extends Weight {
  /** Row-major; its length is the product of `shape`. */
  readonly data: Float32Array;
}

/** The values of a tensor that this backend made. */
const floats = (x: Tensor): Float32Array => (x as HostTensor).data;

/** The values of integers that this backend made. */
const integers = (x: Indices): Int32Array => (x as HostIndices).data;

/** The weights of a linear layer of this backend. */
const weights = (x: Weight): Float32Array => (x as HostWeight).data;

/** A tensor over `data`, which is not copied; default zeros. */
function tensor(
  shape: readonly number[],
  data: Float32Array = new Float32Array(sizeOf(shape)),
): HostTensor {
  return { type: "float", shape, data };
}

/** Integers over `data`, which is not copied; default zeros. */
function indices(
  shape: readonly number[],
  data: Int32Array = new Int32Array(sizeOf(shape)),
): HostIndices {
  return { type: "index", shape, data };
}

/** The upload operations, for a weight type. */
function uploadOperations(
  weightType: WeightType,
): Pick<
  Backend,
  "upload" | "uploadRows" | "uploadWeight" | "uploadWeightRows"
> {
  function uploadWeightRows(shape: readonly number[]): RowUpload<HostWeight> {
    const x: HostWeight = { ...tensor(shape), type: "weight" };
    const [, I] = shape;
    return uploadInto(
      x,
      (rows, first) => storedValues(weightType, rows, I, first),
    );
  }
  return {
    upload,
    uploadRows: (shape) => uploadInto(tensor(shape), (rows) => rows),
    uploadWeight(data, shape) {
      checkSize(data, shape);
      const { tensor, write } = uploadWeightRows(shape);
      write(data);
      return tensor;
    },
    uploadWeightRows,
  };
}

function upload(data: Float32Array, shape: readonly number[]): Tensor;
function upload(data: Int32Array, shape: readonly number[]): Indices;
function upload(
  data: Float32Array | Int32Array,
  shape: readonly number[],
): Tensor | Indices {
  checkSize(data, shape);
  return data instanceof Float32Array
    ? tensor(shape, data.slice())
    : indices(shape, data.slice());
}

/** An upload in blocks of rows into host memory; `store` rounds the values. */
function uploadInto<T extends HostTensor | HostWeight>(
  x: T,
  store: (rows: Float32Array, first: number) => Float32Array,
): RowUpload<T> {
  let first = 0;
  let at = 0;
  return {
    tensor: x,
    write(rows) {
      const count = checkRows(rows, x.shape, first);
      x.data.set(store(rows, first), at);
      first += count;
      at += rows.length;
    },
  };
}

function read(x: Tensor): Promise<Float32Array>;
function read(x: Indices): Promise<Int32Array>;
function read(x: Tensor | Indices): Promise<Float32Array | Int32Array> {
  return Promise.resolve(
    x.type === "float" ? floats(x).slice() : integers(x).slice(),
  );
}

function linear(
  product: MatrixProduct,
  x: Tensor,
  weight: Weight,
  { bias, activation, gate, residual }: LinearOptions = {},
): Tensor {
  const [O, I] = weight.shape;
  const out = tensor([...x.shape.slice(0, -1), O]);
  const sizes = { M: out.data.length / O, O, I };
  const products = product(floats(x), weights(weight), sizes);
  for (let i = 0; i < products.length; i++) {
    let value = products[i];
    if (bias) value += floats(bias)[i % O];
    if (activation) value = ACTIVATIONS[activation](value);
    if (gate) value *= silu(floats(gate)[i]);
    if (residual) value += floats(residual)[i];
    out.data[i] = value;
  }
  return out;
}

/** Sizes of a product x [M, I] · weightᵀ, with weight [O, I]. */
export interface ProductSizes {
  /** Rows of x. */
  readonly M: number;
  /** Output features. */
  readonly O: number;
  /** Input features. */
  readonly I: number;
}

/** Computes x [M, I] · weightᵀ, with weight [O, I]: shape [M, O]. */
export type MatrixProduct = (
  x: Float32Array,
  weight: Float32Array,
  sizes: ProductSizes,
) => Float64Array;

/** The definition of {@linkcode MatrixProduct}: three loops. */
export function multiplyMatrices(
  x: Float32Array,
  weight: Float32Array,
  { M, O, I }: ProductSizes,
): Float64Array {
  const out = new Float64Array(M * O);
  for (let m = 0; m < M; m++) {
    for (let o = 0; o < O; o++) {
      let sum = 0;
      for (let i = 0; i < I; i++) sum += x[m * I + i] * weight[o * I + i];
      out[m * O + o] = sum;
    }
  }
  return out;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);

const ACTIVATIONS: Record<Activation, (x: number) => number> = {
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  "gelu_tanh": (x) =>
    0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  "quick_gelu": (x) => x * sigmoid(1.702 * x),
};

function layerNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  epsilon: number,
): Tensor {
  const out = tensor(x.shape);
  const D = x.shape.at(-1)!;
  for (let row = 0; row < out.data.length; row += D) {
    const xRow = floats(x).subarray(row, row + D);
    let mean = 0;
    for (const value of xRow) mean += value / D;
    let variance = 0;
    for (const value of xRow) variance += (value - mean) ** 2 / D;
    const scale = 1 / Math.sqrt(variance + epsilon);
    for (let d = 0; d < D; d++) {
      out.data[row + d] = (xRow[d] - mean) * scale * floats(weight)[d] +
        floats(bias)[d];
    }
  }
  return out;
}

function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  const out = tensor(x.shape);
  const D = x.shape.at(-1)!;
  for (let row = 0; row < out.data.length; row += D) {
    const xRow = floats(x).subarray(row, row + D);
    let square = 0;
    for (const value of xRow) square += value * value / D;
    const scale = 1 / Math.sqrt(square + epsilon);
    for (let d = 0; d < D; d++) {
      out.data[row + d] = xRow[d] * scale * floats(weight)[d];
    }
  }
  return out;
}

function rope(x: Tensor, positions: Indices, frequencies: Tensor): Tensor {
  const out = tensor(x.shape);
  const D = x.shape.at(-1)!;
  const half = frequencies.shape[0];
  for (let row = 0; row < out.data.length / D; row++) {
    for (let e = 0; e < half; e++) {
      const angle = integers(positions)[row] * floats(frequencies)[e];
      const cos = Math.cos(angle);
      const sin = Math.sin(angle);
      // The pair (e, e + E/2) is rotated by the same angle in every head.
      for (let at = row * D + e; at < (row + 1) * D; at += 2 * half) {
        const [a, b] = [floats(x)[at], floats(x)[at + half]];
        out.data[at] = a * cos - b * sin;
        out.data[at + half] = b * cos + a * sin;
      }
    }
  }
  return out;
}

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

/** a[ai ..] · b[bi ..] over n elements, in two sums, since one sum would be slow. */
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

function attention(
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

function attentionScores(q: Tensor, k: Tensor, spec: ScoreSpec): Tensor {
  const [B, , qWidth] = q.shape;
  const H = qWidth / spec.headWidth;
  const { queryRows, keyColumns, queryWeights } = spec;
  const { start, length: N } = keyColumns;
  const R = queryRows.length;

  // Mean over heads of each query's attention, shape [B, R, N].
  const means = new Float64Array(B * R * N);
  forEachAttentionRow(q, k, spec, queryRows, (row, b, _, query) => {
    const at = (b * R + query - queryRows.start) * N;
    for (let n = 0; n < N; n++) means[at + n] += row[start + n] / H;
  });

  // Sum over the queries.
  const sums = new Float64Array(B * N);
  for (let query = 0; query < B * R; query++) {
    const to = Math.floor(query / R) * N;
    const factor = queryWeights ? floats(queryWeights)[query] : 1;
    for (let n = 0; n < N; n++) sums[to + n] += factor * means[query * N + n];
  }
  return tensor([B, N], Float32Array.from(sums));
}

function topK(scores: Tensor, k: number): Indices {
  const [B, N] = scores.shape;
  const out = indices([B, k]);
  for (let b = 0; b < B; b++) {
    const sB = floats(scores).subarray(b * N, (b + 1) * N);
    const best = Array.from(sB, (_, n) => n)
      .sort((i, j) => sB[j] - sB[i] || i - j)
      .slice(0, k).sort((i, j) => i - j);
    out.data.set(best, b * k);
  }
  return out;
}

function gatherRows(x: Tensor, rows: Indices, span: Span): Tensor;
function gatherRows(x: Indices, rows: Indices, span: Span): Indices;
function gatherRows(
  x: Tensor | Indices,
  rows: Indices,
  span: Span,
): Tensor | Indices {
  const [B, S, D = 1] = x.shape;
  const k = rows.shape[1];
  const after = span.start + span.length;
  const shape = [B, S - span.length + k, ...x.shape.slice(2)];
  const out = x.type === "float" ? tensor(shape) : indices(shape);
  const data = x.type === "float" ? floats(x) : integers(x);
  let to = 0;
  const copy = (b: number, from: number, count: number): void => {
    const at = (b * S + from) * D;
    out.data.set(data.subarray(at, at + count * D), to);
    to += count * D;
  };
  for (let b = 0; b < B; b++) {
    copy(b, 0, span.start);
    for (let i = 0; i < k; i++) {
      copy(b, span.start + integers(rows)[b * k + i], 1);
    }
    copy(b, after, S - after);
  }
  return out;
}

function sliceRows(x: Tensor, { start, length }: Span): Tensor {
  const [B, S, D] = x.shape;
  const out = tensor([B, length, D]);
  for (let b = 0; b < B; b++) {
    const xB = floats(x).subarray((b * S + start) * D).subarray(0, length * D);
    out.data.set(xB, b * length * D);
  }
  return out;
}

function concat(parts: readonly Tensor[], axis: 0 | 1): Tensor;
function concat(parts: readonly Indices[], axis: 0 | 1): Indices;
function concat(
  parts: readonly (Tensor | Indices)[],
  axis: 0 | 1,
): Tensor | Indices {
  const shape = [...parts[0].shape];
  shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
  const out = parts[0].type === "float" ? tensor(shape) : indices(shape);
  const blocks = axis === 0 ? 1 : shape[0];
  let to = 0;
  for (let b = 0; b < blocks; b++) {
    for (const part of parts) {
      const data = part.type === "float" ? floats(part) : integers(part);
      const size = data.length / blocks;
      out.data.set(data.subarray(b * size, (b + 1) * size), to);
      to += size;
    }
  }
  return out;
}

function add(x: Tensor, y: Tensor): Tensor {
  return combine(x, y, (a, b) => a + b);
}

function multiply(x: Tensor, y: Tensor): Tensor {
  return combine(x, y, (a, b) => a * b);
}

/** Combines x and y element by element; y is broadcast over leading dimensions. */
function combine(
  x: Tensor,
  y: Tensor,
  operation: (a: number, b: number) => number,
): Tensor {
  const out = tensor(x.shape);
  const size = floats(y).length;
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = operation(floats(x)[i], floats(y)[i % size]);
  }
  return out;
}

function aboveMean(x: Tensor): Tensor {
  const out = tensor(x.shape);
  const N = x.shape.at(-1)!;
  for (let row = 0; row < out.data.length; row += N) {
    const values = floats(x).subarray(row, row + N);
    const mean = values.reduce((sum, value) => sum + value, 0) / N;
    const least = Math.min(mean, Math.max(...values));
    for (let n = 0; n < N; n++) out.data[row + n] = values[n] >= least ? 1 : 0;
  }
  return out;
}

function embed(table: Tensor, ids: Indices): Tensor {
  const D = table.shape[1];
  const out = tensor([...ids.shape, D]);
  integers(ids).forEach((id, i) =>
    out.data.set(floats(table).subarray(id * D, (id + 1) * D), i * D)
  );
  return out;
}

/**
 * The reference backend: every operation as a plain loop, to be read, and the
 * oracle of every test. Values are stored as 32-bit floats; sums run in
 * JavaScript's 64-bit numbers and are rounded once, on the way out, so this is
 * more accurate than any 32-bit backend.
 *
 * Only `linear`, nine tenths of the work, is arranged for speed: by 4 × 2 outputs.
 *
 * This module is browser compatible.
 */

import type {
  Activation,
  Backend,
  Indices,
  LinearOptions,
  Span,
  Tensor,
  Weight,
} from "./backend.ts";
import { erf } from "./erf.ts";
import { type WeightOptions, weightSuffix } from "./quantize.ts";
import { attention, attentionScores } from "./reference_attention.ts";
import { aboveMean, add, multiply } from "./reference_elementwise.ts";
import {
  floats,
  indices,
  integers,
  tensor,
  weights,
} from "./reference_tensor.ts";
import { uploadOperations } from "./reference_upload.ts";

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
  { weightType = "f32" }: WeightOptions = {},
): Backend {
  return {
    name: `reference (plain TypeScript loops)${weightSuffix(weightType)}`,
    ...uploadOperations(weightType),
    read,
    scope: (body) => body(), // the garbage collector frees host memory
    free: () => {},
    linear,
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

function read(x: Tensor): Promise<Float32Array>;
function read(x: Indices): Promise<Int32Array>;
function read(x: Tensor | Indices): Promise<Float32Array | Int32Array> {
  return Promise.resolve(
    x.type === "float" ? floats(x).slice() : integers(x).slice(),
  );
}

function linear(
  x: Tensor,
  weight: Weight,
  { bias, activation, gate, residual }: LinearOptions = {},
): Tensor {
  const [O, I] = weight.shape;
  const out = tensor([...x.shape.slice(0, -1), O]);
  const M = out.data.length / O;
  const products = new Float64Array(M * O);
  multiplyMatrices(products, floats(x), weights(weight), M, O, I);
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

/**
 * out [M, N] = x [M, I] · weightᵀ, weight [N, I]. Blocks of 4 × 2 outputs keep
 * their sums in registers; rows past an edge repeat the last one, and what they
 * give is not stored.
 */
function multiplyMatrices(
  out: Float64Array,
  x: Float32Array,
  weight: Float32Array,
  M: number,
  N: number,
  I: number,
): void {
  for (let m = 0; m < M; m += 4) {
    const [x0, x1, x2, x3] = [0, 1, 2, 3].map((r) =>
      Math.min(m + r, M - 1) * I
    );
    for (let n = 0; n < N; n += 2) {
      const w0 = n * I;
      const w1 = Math.min(n + 1, N - 1) * I;
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
        const column = n + (r & 1);
        if (row < M && column < N) out[row * N + column] = sums[r];
      }
    }
  }
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
      // The pair (e, e + E/2) of every head turns by the same angle.
      for (let at = row * D + e; at < (row + 1) * D; at += 2 * half) {
        const [a, b] = [floats(x)[at], floats(x)[at + half]];
        out.data[at] = a * cos - b * sin;
        out.data[at + half] = b * cos + a * sin;
      }
    }
  }
  return out;
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

function embed(table: Tensor, ids: Indices): Tensor {
  const D = table.shape[1];
  const out = tensor([...ids.shape, D]);
  integers(ids).forEach((id, i) =>
    out.data.set(floats(table).subarray(id * D, (id + 1) * D), i * D)
  );
  return out;
}

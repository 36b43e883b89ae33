/**
 * Operations of the CPU backend that select, copy and concatenate rows, or combine
 * values.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor } from "../../core/backend.ts";
import { sizeOf } from "../../core/sizes.ts";
import type { Device } from "../device.ts";
import type { Kernel } from "../module.ts";
import { addressOf } from "../tensors.ts";

/** The operations of this file on a device. */
export function movementOperations(
  { arena, kernels, pool }: Device,
): Pick<
  Backend,
  | "topK"
  | "gatherRows"
  | "sliceRows"
  | "reshape"
  | "concat"
  | "add"
  | "multiply"
  | "aboveMean"
  | "embed"
> {
  function topK(scores: Tensor, k: number): Indices {
    const [B, N] = scores.shape;
    const out = pool.make("index", [B, k]);
    for (let b = 0; b < B; b++) {
      kernels.topK(
        out.address + 4 * b * k,
        addressOf(scores) + 4 * b * N,
        N,
        k,
      );
    }
    return out;
  }

  /** Copies `count` values. */
  function copy(to: number, from: number, count: number): void {
    arena.floats.copyWithin(to / 4, from / 4, from / 4 + count);
  }

  function gatherRows(x: Tensor, rows: Indices, span: Span): Tensor;
  function gatherRows(x: Indices, rows: Indices, span: Span): Indices;
  function gatherRows(
    x: Tensor | Indices,
    rows: Indices,
    { start, length }: Span,
  ): Tensor | Indices {
    const [B, S, D = 1] = x.shape;
    const k = rows.shape[1];
    const after = S - start - length;
    const shape = [B, start + k + after, ...x.shape.slice(2)];
    const out = x.type === "float"
      ? pool.make(x.type, shape)
      : pool.make(x.type, shape);
    for (let b = 0; b < B; b++) {
      const from = addressOf(x) + 4 * b * S * D;
      const to = out.address + 4 * b * shape[1] * D;
      // Order matters, because copyRows writes past its end.
      copy(to, from, start * D);
      kernels.copyRows(
        to + 4 * start * D,
        from + 4 * start * D,
        addressOf(rows) + 4 * b * k,
        k,
        4 * D,
      );
      copy(
        to + 4 * (start + k) * D,
        from + 4 * (start + length) * D,
        after * D,
      );
    }
    return out;
  }

  function reshape(x: Tensor, shape: readonly number[]): Tensor {
    const out = pool.make("float", shape);
    copy(out.address, addressOf(x), sizeOf(shape));
    return out;
  }

  function sliceRows(x: Tensor, { start, length }: Span): Tensor {
    const [B, S, D] = x.shape;
    const out = pool.make("float", [B, length, D]);
    for (let b = 0; b < B; b++) {
      const from = addressOf(x) + 4 * (b * S + start) * D;
      copy(out.address + 4 * b * length * D, from, length * D);
    }
    return out;
  }

  function concat(parts: readonly Tensor[], axis: 0 | 1): Tensor;
  function concat(parts: readonly Indices[], axis: 0 | 1): Indices;
  function concat(
    parts: readonly (Tensor | Indices)[],
    axis: 0 | 1,
  ): Tensor | Indices {
    const [{ type }] = parts;
    const shape = [...parts[0].shape];
    shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    const out = type === "float"
      ? pool.make(type, shape)
      : pool.make(type, shape);
    const blocks = axis === 0 ? 1 : shape[0];
    let to = out.address;
    for (let b = 0; b < blocks; b++) {
      for (const part of parts) {
        const size = sizeOf(part.shape) / blocks;
        copy(to, addressOf(part) + 4 * b * size, size);
        to += 4 * size;
      }
    }
    return out;
  }

  /** Runs a kernel on x and y element by element; y is broadcast. */
  function pairwise(kernel: Kernel, x: Tensor, y: Tensor): Tensor {
    const out = pool.make("float", x.shape);
    const size = sizeOf(y.shape);
    kernel(
      out.address,
      addressOf(x),
      addressOf(y),
      sizeOf(x.shape) / size,
      4 * size,
    );
    return out;
  }

  function aboveMean(x: Tensor): Tensor {
    const out = pool.make("float", x.shape);
    const N = x.shape.at(-1)!;
    kernels.aboveMean(out.address, addressOf(x), sizeOf(x.shape) / N, 4 * N);
    return out;
  }

  function embed(table: Tensor, ids: Indices): Tensor {
    const D = table.shape[1];
    const out = pool.make("float", [...ids.shape, D]);
    kernels.copyRows(
      out.address,
      addressOf(table),
      addressOf(ids),
      sizeOf(ids.shape),
      4 * D,
    );
    return out;
  }

  return {
    topK,
    gatherRows,
    sliceRows,
    reshape,
    concat,
    add: (x, y) => pairwise(kernels.add, x, y),
    multiply: (x, y) => pairwise(kernels.multiply, x, y),
    aboveMean,
    embed,
  };
}

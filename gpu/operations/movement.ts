/**
 * Operations on the GPU that choose rows, move them, and join them or their
 * values.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor } from "../../core/backend.ts";
import { sizeOf } from "../../core/sizes.ts";
import type { Context } from "../context.ts";
import { ABOVE_MEAN } from "../kernels/above_mean.ts";
import { COPY_ROWS } from "../kernels/copy_rows.ts";
import { EMBED } from "../kernels/embed.ts";
import { GATHER_ROWS } from "../kernels/gather_rows.ts";
import { lanesOf } from "../kernels/lanes.ts";
import { ADD, MULTIPLY, type PairwiseKernels } from "../kernels/pairwise.ts";
import { TOP_K } from "../kernels/top_k.ts";
import { type GpuTensor, partsOf } from "../tensors.ts";

/** The operations of this file in a context. */
export function movementOperations(
  { tensors, runner }: Context,
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
    const best = tensors.make("index", [B, k]);
    runner.run(TOP_K, {
      inputs: [scores],
      outputs: [best],
      sizes: { rows: B, n: N, k },
      constants: {},
    });
    return best;
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
    const shape = [B, S - length + k, ...x.shape.slice(2)];
    const y = tensors.make(x.type, shape) as GpuTensor<"float" | "index">;
    const lanes = lanesOf(D);
    runner.run(GATHER_ROWS[lanes], {
      inputs: [x, rows],
      outputs: [y as Tensor | Indices],
      sizes: { samples: B, rows: S, width: D / lanes, start, length, k },
      constants: {},
    });
    return y as Tensor | Indices;
  }

  function reshape(x: Tensor, shape: readonly number[]): Tensor {
    const y = tensors.make("float", shape);
    const size = sizeOf(shape);
    const lanes = lanesOf(size);
    runner.run(COPY_ROWS[lanes], {
      inputs: [x],
      outputs: [y],
      sizes: {
        ...{ samples: 1, rows: 1, width: size / lanes },
        ...{ first: 0, oldRows: 1, newFirst: 0, newRows: 1 },
      },
      constants: {},
    });
    return y;
  }

  function sliceRows(x: Tensor, { start, length }: Span): Tensor {
    const [B, S, D] = x.shape;
    const y = tensors.make("float", [B, length, D]);
    const lanes = lanesOf(D);
    runner.run(COPY_ROWS[lanes], {
      inputs: [x],
      outputs: [y],
      sizes: {
        ...{ samples: B, rows: length, width: D / lanes },
        ...{ first: start, oldRows: S, newFirst: 0, newRows: length },
      },
      constants: {},
    });
    return y;
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
    const y = tensors.make(type, shape) as GpuTensor<"float" | "index">;
    // Joined along the batch, they are rows of one sample.
    const samples = axis === 0 ? 1 : shape[0];
    const D = shape[2] ?? 1;
    const rowsOf = (shape: readonly number[]): number =>
      axis === 0 ? shape[0] * shape[1] : shape[1];
    const lanes = lanesOf(D);
    let newFirst = 0;
    for (const x of parts) {
      const rows = rowsOf(x.shape);
      runner.run(COPY_ROWS[lanes], {
        inputs: [x],
        outputs: [y as Tensor | Indices],
        sizes: {
          ...{ samples, rows, width: D / lanes },
          ...{ first: 0, oldRows: rows, newFirst, newRows: rowsOf(shape) },
        },
        constants: {},
      });
      newFirst += rows;
    }
    return y as Tensor | Indices;
  }

  /** Runs a kernel on each value of x and its partner in y, which is repeated. */
  function pairwise(kernels: PairwiseKernels, x: Tensor, y: Tensor): Tensor {
    const z = tensors.make("float", x.shape);
    const period = sizeOf(y.shape);
    const lanes = lanesOf(period);
    runner.run(kernels[lanes], {
      inputs: [x, y],
      outputs: [z],
      sizes: { count: sizeOf(x.shape) / lanes, period: period / lanes },
      constants: {},
    });
    return z;
  }

  function aboveMean(x: Tensor): Tensor {
    const y = tensors.make("float", x.shape);
    const width = x.shape.at(-1)!;
    runner.run(ABOVE_MEAN, {
      inputs: [x],
      outputs: [y],
      sizes: { rows: sizeOf(x.shape) / width, width },
      constants: {},
    });
    return y;
  }

  function embed(table: Tensor, ids: Indices): Tensor {
    const D = table.shape[1];
    const y = tensors.make("float", [...ids.shape, D]);
    const lanes = lanesOf(D);
    for (const { start, rows } of partsOf(table)) {
      runner.run(EMBED[lanes], {
        inputs: [rows, ids],
        outputs: [y],
        sizes: {
          ...{ count: sizeOf(ids.shape), width: D / lanes },
          ...{ first: start, rows: rows.shape[0] },
        },
        constants: {},
      });
    }
    return y;
  }

  return {
    topK,
    gatherRows,
    sliceRows,
    reshape,
    concat,
    add: (x, y) => pairwise(ADD, x, y),
    multiply: (x, y) => pairwise(MULTIPLY, x, y),
    aboveMean,
    embed,
  };
}

/**
 * Operations of the GPU backend that select and move rows, and those on pairs
 * of values.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor } from "../../core/backend.ts";
import { sizeOf } from "../../core/sizes.ts";
import type { Context } from "../context.ts";
import {
  ABOVE_MEAN,
  ADD,
  MULTIPLY,
  type PairwiseKernels,
} from "../kernels/elementwise.ts";
import {
  COPY_ROWS,
  type CopySize,
  EMBED,
  GATHER_ROWS,
} from "../kernels/rows.ts";
import { TOP_K } from "../kernels/top_k.ts";
import { componentsOf } from "../kernels/wgsl.ts";
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
    const components = componentsOf(D);
    const width = D / components;
    runner.run(GATHER_ROWS[components], {
      inputs: [x, rows],
      outputs: [y as Tensor | Indices],
      sizes: { samples: B, rows: S, width, start, length, k },
      constants: {},
    });
    return y as Tensor | Indices;
  }

  /** Copies rows of D values; see `COPY_ROWS`. */
  function copyRows(
    x: Tensor | Indices,
    y: Tensor | Indices,
    D: number,
    sizes: Readonly<Record<Exclude<CopySize, "width">, number>>,
  ): void {
    const components = componentsOf(D);
    runner.run(COPY_ROWS[components], {
      inputs: [x],
      outputs: [y],
      sizes: { ...sizes, width: D / components },
      constants: {},
    });
  }

  function reshape(x: Tensor, shape: readonly number[]): Tensor {
    const y = tensors.make("float", shape);
    copyRows(x, y, sizeOf(shape), {
      samples: 1,
      rows: 1,
      first: 0,
      oldRows: 1,
      newFirst: 0,
      newRows: 1,
    });
    return y;
  }

  function sliceRows(x: Tensor, { start, length }: Span): Tensor {
    const [B, S, D] = x.shape;
    const y = tensors.make("float", [B, length, D]);
    copyRows(x, y, D, {
      samples: B,
      rows: length,
      first: start,
      oldRows: S,
      newFirst: 0,
      newRows: length,
    });
    return y;
  }

  function concat(parts: readonly Tensor[], axis: 0 | 1): Tensor;
  function concat(parts: readonly Indices[], axis: 0 | 1): Indices;
  function concat(
    parts: readonly (Tensor | Indices)[],
    axis: 0 | 1,
  ): Tensor | Indices {
    const shape = [...parts[0].shape];
    shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    const y = tensors.make(parts[0].type, shape) as Tensor | Indices;
    // Along the batch, all rows count as rows of one sample.
    const samples = axis === 0 ? 1 : shape[0];
    const rowsOf = ([B, S]: readonly number[]): number =>
      axis === 0 ? B * S : S;
    let newFirst = 0;
    for (const x of parts) {
      const rows = rowsOf(x.shape);
      copyRows(x, y, shape[2] ?? 1, {
        samples,
        rows,
        first: 0,
        oldRows: rows,
        newFirst,
        newRows: rowsOf(shape),
      });
      newFirst += rows;
    }
    return y;
  }

  /** Runs a kernel on the values of x and y. The values of y repeat. */
  function pairwise(kernels: PairwiseKernels, x: Tensor, y: Tensor): Tensor {
    const z = tensors.make("float", x.shape);
    const period = sizeOf(y.shape);
    const components = componentsOf(period);
    runner.run(kernels[components], {
      inputs: [x, y],
      outputs: [z],
      sizes: {
        count: sizeOf(x.shape) / components,
        period: period / components,
      },
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
    const components = componentsOf(D);
    for (const { start, rows } of partsOf(table)) {
      runner.run(EMBED[components], {
        inputs: [rows, ids],
        outputs: [y],
        sizes: {
          count: sizeOf(ids.shape),
          width: D / components,
          first: start,
          rows: rows.shape[0],
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

/**
 * `linear` on the GPU backend.
 *
 * This module is browser compatible.
 */

import type {
  Backend,
  LinearOptions,
  Tensor,
  Weight,
} from "../../core/backend.ts";
import { sizeOf } from "../../core/reference_tensor.ts";
import type { Context } from "../context.ts";
import { isSoftware } from "../device.ts";
import { ACTIVATIONS, MATRIX_LINEAR, ROW_LINEAR } from "../kernels/linear.ts";
import { RESIZE_ROWS } from "../kernels/resize_rows.ts";
import { wholeVectors } from "../kernels/stored_weights.ts";
import { partsOf } from "../tensors.ts";

/** The operations of this file on a device. */
export function linearOperations(
  { device, runner, tensors, weightType }: Context,
): Pick<Backend, "linear"> {
  const software = isSoftware(device.adapterInfo);

  /** x [.., D] → [.., ⌈D / 4⌉ · 4]. */
  function padRows(x: Tensor): Tensor {
    const width = x.shape.at(-1)!;
    const newWidth = wholeVectors(width);
    if (newWidth === width) return x;
    const out = tensors.make("float", [...x.shape.slice(0, -1), newWidth]);
    runner.run(RESIZE_ROWS, {
      inputs: [x],
      outputs: [out],
      sizes: { rows: sizeOf(x.shape) / width, width, newWidth },
      constants: {},
    });
    return out;
  }

  function linear(
    x: Tensor,
    weight: Weight,
    { bias, activation, gate, residual }: LinearOptions = {},
  ): Tensor {
    const [O, I] = weight.shape;
    const out = tensors.make("float", [...x.shape.slice(0, -1), O]);
    tensors.scope(() => {
      const padded = padRows(x);
      const rows = sizeOf(x.shape) / I;
      const depth = wholeVectors(I) / 4;
      for (const { start, rows: part } of partsOf(weight)) {
        const [columns] = part.shape;
        const run = {
          inputs: [padded, part, bias, gate, residual],
          outputs: [out],
          sizes: {
            rows,
            columns,
            depth,
            start,
            stride: O,
            bias: Number(bias !== undefined),
            activation: ACTIVATIONS.indexOf(activation),
            gate: Number(gate !== undefined),
            residual: Number(residual !== undefined),
          },
        };
        if (rows <= FEW_ROWS) {
          runner.run(ROW_LINEAR[weightType], {
            ...run,
            constants: rowThreads(depth, software),
          });
        } else {
          const constants = tile(rows, columns);
          runner.run(MATRIX_LINEAR[weightType], { ...run, constants });
        }
      }
    });
    return out;
  }

  return { linear };
}

/** So many rows are multiplied one by one. */
const FEW_ROWS = 4;

/**
 * Threads that share the depth of a row, and how many such teams there are. A
 * GPU in software runs 8 threads at once as the lanes of a vector, through all
 * of their loop before the next 8: with a team of more, they jump over what the
 * others read, and take four times as long.
 */
function rowThreads(
  depth: number,
  software: boolean,
): { X: number; Y: number } {
  return software || depth < 256 ? { X: 8, Y: 8 } : { X: 64, Y: 1 };
}

/** Tiles that keep a large GPU busy. */
const MANY_TILES = 128;

/**
 * Threads of a workgroup and depth of its tile, of which what WebGPU guarantees
 * of workgroup memory, 16 KiB, must be enough for 8 (X + Y) (K + 1) vec4. Large
 * tiles read the least; they must not be too few, nor mostly empty.
 */
function tile(
  rows: number,
  columns: number,
): { X: number; Y: number; K: number } {
  if (rows <= 32) return { X: 16, Y: 4, K: 4 };
  const large = Math.ceil(rows / 128) * Math.ceil(columns / 128);
  return large < MANY_TILES ? { X: 8, Y: 8, K: 4 } : { X: 16, Y: 16, K: 2 };
}

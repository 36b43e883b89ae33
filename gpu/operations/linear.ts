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
import { sizeOf } from "../../core/sizes.ts";
import type { Context } from "../context.ts";
import { ACTIVATIONS, MATRIX_LINEAR, ROW_LINEAR } from "../kernels/linear.ts";
import { RESIZE_ROWS } from "../kernels/resize_rows.ts";
import { wholeVectors } from "../kernels/stored_weights.ts";
import { partsOf } from "../tensors.ts";

/** The operations of this file on a device. */
export function linearOperations(
  { runner, tensors, weightType, software }: Context,
): Pick<Backend, "linear"> {
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
          const constants = tileOf(rows, columns, software);
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
  return software || depth < 256 ? { X: 8, Y: 8 } : { X: 64, Y: 2 };
}

/** Threads of a workgroup of `MATRIX_LINEAR`, and the depth of its tile. */
type Tile = Readonly<Record<"X" | "Y" | "Z" | "K", number>>;

/**
 * Tiles for a GPU, and how many workgroups make each the best. Large tiles read
 * the least. Where there are too few of them to keep a large GPU busy, several
 * threads share the depth of the same sums, and then tiles become smaller: it is
 * the deep layers of a reduced prefill that have few rows. Not measured: no GPU
 * was at hand. All stay within what WebGPU guarantees: 256 threads, and 16 KiB
 * for 9 (X + Y + 2) K vec4.
 */
const GPU_TILES: readonly (Tile & { readonly least: number })[] = [
  { X: 16, Y: 16, Z: 1, K: 2, least: 256 },
  { X: 8, Y: 8, Z: 1, K: 4, least: 512 },
  { X: 8, Y: 8, Z: 4, K: 4, least: 256 },
  { X: 8, Y: 4, Z: 8, K: 8, least: 0 },
];

/** The tile for a product of so many rows and columns. */
function tileOf(rows: number, columns: number, software: boolean): Tile {
  const count = ({ X, Y }: Pick<Tile, "X" | "Y">): number =>
    Math.ceil(rows / (8 * Y)) * Math.ceil(columns / (8 * X));
  if (!software) {
    const { least: _, ...tile } = GPU_TILES.find((tile) =>
      count(tile) >= tile.least
    )!;
    return tile;
  }
  // Cores are few here: tiles must only not be mostly empty. The first one is a
  // pipeline more, but takes half the time of 8 x 8 threads for so few rows.
  if (rows <= 32) return { X: 16, Y: 4, Z: 1, K: 4 };
  const large = { X: 16, Y: 16, Z: 1, K: 2 };
  return count(large) < 128 ? { X: 8, Y: 8, Z: 1, K: 4 } : large;
}

/**
 * The operation `linear` of the GPU backend, and its choice of kernel and tile.
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
import { RESIZE_ROWS } from "../kernels/rows.ts";
import { wholeVectors } from "../kernels/stored_weights.ts";
import { partsOf } from "../tensors.ts";

/** The operation of this file in a context. */
export function linearOperations(
  { runner, tensors, weightType, software }: Context,
): Pick<Backend, "linear"> {
  /** Pads rows with zeros to whole vec4: x [.., D] → [.., ⌈D / 4⌉ · 4]. */
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
        if (rows <= MAX_SINGLE_ROWS) {
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

/** The largest number of rows that are multiplied one by one. */
const MAX_SINGLE_ROWS = 4;

/**
 * The threads of `ROW_LINEAR`: X in a team, and Y teams. Software runs 8
 * threads at once as the lanes of a vector, and finishes their loop before it
 * starts the next 8. In a larger team these 8 would skip what the others read,
 * which takes four times as long.
 */
function rowThreads(
  depth: number,
  software: boolean,
): { X: number; Y: number } {
  return software || depth < 256 ? { X: 8, Y: 8 } : { X: 64, Y: 2 };
}

/** The threads of a workgroup of `MATRIX_LINEAR`, and its depth K in vec4. */
type Tile = Readonly<Record<"X" | "Y" | "Z" | "K", number>>;

/**
 * The tiles for a GPU, and the number of workgroups from which each is used. A
 * large tile reads the least. Deep layers of a reduced prefill have few rows,
 * and few large tiles would not occupy a large GPU. So several threads first
 * share the depth of a sum, and then tiles become smaller. The numbers are not
 * measured, because no GPU was available. All tiles stay within the limits that
 * WebGPU guarantees: 256 threads, and 16 KiB of workgroup memory, of which a
 * tile takes 9 (X + Y + 2) K vec4.
 */
const GPU_TILES: readonly (Tile & { readonly least: number })[] = [
  { X: 16, Y: 16, Z: 1, K: 2, least: 256 },
  { X: 8, Y: 8, Z: 1, K: 4, least: 512 },
  { X: 8, Y: 8, Z: 4, K: 4, least: 256 },
  { X: 8, Y: 4, Z: 8, K: 8, least: 0 },
];

/** The tile for a product of a size. */
function tileOf(rows: number, columns: number, software: boolean): Tile {
  const count = ({ X, Y }: Pick<Tile, "X" | "Y">): number =>
    Math.ceil(rows / (8 * Y)) * Math.ceil(columns / (8 * X));
  if (!software) {
    const { least: _, ...tile } = GPU_TILES.find((tile) =>
      count(tile) >= tile.least
    )!;
    return tile;
  }
  // A CPU has few cores, so few tiles are enough, but a tile must not be mostly
  // empty. The first tile costs a pipeline, and takes half the time of the
  // second for few rows.
  if (rows <= 32) return { X: 16, Y: 4, Z: 1, K: 4 };
  const large = { X: 16, Y: 16, Z: 1, K: 2 };
  return count(large) < 128 ? { X: 8, Y: 8, Z: 1, K: 4 } : large;
}

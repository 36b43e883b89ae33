/**
 * Operations of the CPU backend on independent rows: `linear`, norms and `rope`.
 *
 * This module is browser compatible.
 */

import type {
  Backend,
  Indices,
  LinearOptions,
  Tensor,
  Weight,
} from "../../core/backend.ts";
import { sizeOf } from "../../core/sizes.ts";
import type { Device } from "../device.ts";
import { activationCode, linearScratch } from "../kernels/linear.ts";
import { RotaryTable } from "../rotary.ts";
import { addressOf, type CpuTensor } from "../tensors.ts";

/** The operations of this file on a device. */
export function rowOperations(
  { arena, kernels, pool, rotaryTables, weightType }: Device,
): Pick<Backend, "linear" | "layerNorm" | "rmsNorm" | "rope"> {
  function linear(
    x: Tensor,
    weight: Weight,
    { bias, activation, gate, residual }: LinearOptions = {},
  ): Tensor {
    const [O, I] = weight.shape;
    const M = sizeOf(x.shape) / I;
    const out = pool.make("float", [...x.shape.slice(0, -1), O]);
    const scratchBytes = linearScratch(weightType, M, weight.shape);
    const scratch = arena.allocate(scratchBytes);
    kernels.linear(
      addressOf(x),
      addressOf(weight),
      out.address,
      M,
      I,
      O,
      optional(bias),
      activationCode(activation),
      optional(gate),
      optional(residual),
      scratch,
    );
    arena.free(scratch, scratchBytes);
    return out;
  }

  function layerNorm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    epsilon: number,
  ): Tensor {
    const out = pool.make("float", x.shape);
    const D = x.shape.at(-1)!;
    kernels.layerNorm(
      out.address,
      addressOf(x),
      addressOf(weight),
      addressOf(bias),
      sizeOf(x.shape) / D,
      D,
      epsilon,
    );
    return out;
  }

  function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
    const out = pool.make("float", x.shape);
    const D = x.shape.at(-1)!;
    kernels.rmsNorm(
      out.address,
      addressOf(x),
      addressOf(weight),
      sizeOf(x.shape) / D,
      D,
      epsilon,
    );
    return out;
  }

  function rope(x: Tensor, positions: Indices, frequencies: Tensor): Tensor {
    const out = pool.make("float", x.shape);
    const count = sizeOf(positions.shape);
    const table = rotaryTable(frequencies);
    const rows = arena.allocate(4 * count);
    table.lookUp(addressOf(positions), rows, count);
    kernels.rope(
      out.address,
      addressOf(x),
      rows,
      table.address,
      count,
      x.shape.at(-1)!,
      frequencies.shape[0],
    );
    arena.free(rows, 4 * count);
    return out;
  }

  function rotaryTable(frequencies: Tensor): RotaryTable {
    const key = frequencies as CpuTensor;
    let table = rotaryTables.get(key);
    if (table === undefined) {
      const at = addressOf(frequencies) / 4;
      const values = arena.floats.slice(at, at + frequencies.shape[0]);
      table = new RotaryTable(arena, values);
      rotaryTables.set(key, table);
    }
    return table;
  }

  return { linear, layerNorm, rmsNorm, rope };
}

/** The address of an optional tensor, or 0. */
function optional(x: Tensor | undefined): number {
  return x === undefined ? 0 : addressOf(x);
}

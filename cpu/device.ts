/**
 * The state that the operations of the CPU backend share.
 *
 * This module is browser compatible.
 */

import type { WeightType } from "../core/checkpoints/quantize.ts";
import { Arena } from "./memory.ts";
import {
  instantiateKernels,
  type KernelOptions,
  type Kernels,
} from "./module.ts";
import type { RotaryTable } from "./rotary.ts";
import { type CpuTensor, TensorPool } from "./tensors.ts";

/** A memory, the kernels that work on it, and the tensors in it. */
export interface Device {
  /** The memory. */
  readonly arena: Arena;
  /** The kernels. */
  readonly kernels: Kernels;
  /** The tensors. */
  readonly pool: TensorPool;
  /** Cosines and sines, by the tensor of frequencies. */
  readonly rotaryTables: Map<CpuTensor, RotaryTable>;
  /** How the weights of `linear` are packed. */
  readonly weightType: WeightType;
}

/** Makes a memory and instantiates the kernels on it. */
export function createDevice(options: KernelOptions): Device {
  const arena = new Arena();
  const rotaryTables = new Map<CpuTensor, RotaryTable>();
  const pool = new TensorPool(arena, (x) => {
    rotaryTables.get(x)?.free();
    rotaryTables.delete(x);
  });
  const kernels = instantiateKernels(arena.memory, options);
  const { weightType } = options;
  return { arena, kernels, pool, rotaryTables, weightType };
}

/**
 * The kernels of the CPU backend as one WebAssembly module.
 *
 * It is compiled when the first backend is made, synchronously, so that a
 * backend can be made anywhere: the module is some forty kilobytes, and the
 * strictest browser compiles up to 8 MB on its main thread.
 *
 * This module is browser compatible.
 */

import type { WeightType } from "../core/checkpoints/quantize.ts";
import { Module } from "./assembler.ts";
import { addAttentionKernels } from "./kernels/attention.ts";
import { addLinear } from "./kernels/linear.ts";
import { addPackInt4 } from "./kernels/linear_quantize.ts";
import { addTile, TILE_ROWS } from "./kernels/linear_tile.ts";
import { vectorMath } from "./kernels/math.ts";
import { addNormKernels } from "./kernels/norms.ts";
import { addRopeKernel } from "./kernels/rope.ts";
import { addRowKernels } from "./kernels/rows.ts";
import { multiplyThenAdd, relaxedMultiplyAdd } from "./relaxed.ts";

/** A kernel as the host calls it: addresses in bytes, sizes, numbers. */
export type Kernel = (...parameters: number[]) => void;

/** The kernels; `kernels/` documents their parameters. */
export interface Kernels {
  /** See `kernels/linear.ts`. */
  readonly linear: Kernel;
  /** See `kernels/linear_quantize.ts`; only where weights have 4 bits. */
  readonly packInt4: Kernel;
  /** See `kernels/norms.ts`. */
  readonly layerNorm: Kernel;
  /** See `kernels/norms.ts`. */
  readonly rmsNorm: Kernel;
  /** See `kernels/rope.ts`. */
  readonly rope: Kernel;
  /** See `kernels/attention.ts`. */
  readonly attention: Kernel;
  /** See `kernels/attention_row.ts`. */
  readonly attentionRow: Kernel;
  /** See `kernels/attention_row.ts`. */
  readonly attentionRowScratch: (
    keys: number,
    heads: number,
    keyHeads: number,
    headWidth: number,
  ) => number;
  /** See `kernels/attention.ts`. */
  readonly attentionScores: Kernel;
  /** See `kernels/attention.ts`. */
  readonly attentionScratch: (keys: number, headWidth: number) => number;
  /** See `kernels/rows.ts`. */
  readonly copyRows: Kernel;
  /** See `kernels/rows.ts`. */
  readonly add: Kernel;
  /** See `kernels/rows.ts`. */
  readonly multiply: Kernel;
  /** See `kernels/rows.ts`. */
  readonly aboveMean: Kernel;
  /** See `kernels/rows.ts`. */
  readonly topK: Kernel;
}

/** Options that change the code of the kernels. */
export interface KernelOptions {
  /** Whether to use relaxed SIMD. */
  readonly relaxed: boolean;
  /** How the weights of `linear` are packed. */
  readonly weightType: WeightType;
}

/** Assembles the module. */
export function assembleKernels(
  { relaxed, weightType }: KernelOptions,
): Uint8Array<ArrayBuffer> {
  const module = new Module();
  // Accepts every memory of a 32-bit module.
  module.importMemory("host", "memory", { initial: 1, maximum: 2 ** 16 });
  const madd = relaxed ? relaxedMultiplyAdd : multiplyThenAdd;
  const math = vectorMath(madd);
  addLinear(module, madd, { math, weightType });
  if (weightType === "int4") addPackInt4(module);
  addNormKernels(module, madd);
  addRopeKernel(module, madd);
  addAttentionKernels(module, madd, math, addTile(module, madd, TILE_ROWS, 1));
  addRowKernels(module);
  return module.encode();
}

/** Compiled modules, by their options. */
const compiled = new Map<string, WebAssembly.Module>();

/** Instantiates the kernels on a memory. */
export function instantiateKernels(
  memory: WebAssembly.Memory,
  options: KernelOptions,
): Kernels {
  const key = `${options.weightType} ${options.relaxed}`;
  let module = compiled.get(key);
  if (module === undefined) {
    module = new WebAssembly.Module(assembleKernels(options));
    compiled.set(key, module);
  }
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  return exports as unknown as Kernels;
}

/**
 * The CPU backend: tensors in one WebAssembly memory, operations as calls of
 * kernels. `core/reference/backend.ts` defines the operations.
 *
 * A sample's results do not depend on its batch, bit for bit: every kernel computes
 * each row, or each sample, independently.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Tensor } from "../core/backend.ts";
import {
  type WeightOptions,
  weightSuffix,
} from "../core/checkpoints/quantize.ts";
import { sizeOf } from "../core/sizes.ts";
import { createDevice } from "./device.ts";
import { attentionOperations } from "./operations/attention.ts";
import { movementOperations } from "./operations/movement.ts";
import { rowOperations } from "./operations/rows.ts";
import { uploadOperations } from "./operations/upload.ts";
import { hasRelaxedSimd } from "./relaxed.ts";
import { addressOf, type CpuTensor } from "./tensors.ts";

/** How to make a CPU backend. */
export interface CpuOptions extends WeightOptions {
  /**
   * Whether to use the fused multiply-add of relaxed SIMD. Default: true if the
   * runtime supports it.
   */
  readonly relaxed?: boolean;
}

/** A CPU backend, with its memory use. */
export interface CpuBackend extends Backend {
  /** Bytes of its memory, which grows when needed and never shrinks. */
  readonly memorySize: number;
  /** Bytes of it that tensors take. */
  readonly memoryUsed: number;
}

/** Makes a CPU backend with a memory of its own. */
export function createCpuBackend(
  { relaxed = hasRelaxedSimd(), weightType = "f32" }: CpuOptions = {},
): CpuBackend {
  const device = createDevice({ relaxed, weightType });
  const { arena, pool } = device;

  function read(x: Tensor): Promise<Float32Array>;
  function read(x: Indices): Promise<Int32Array>;
  function read(x: Tensor | Indices): Promise<Float32Array | Int32Array> {
    const at = addressOf(x) / 4;
    const end = at + sizeOf(x.shape);
    return Promise.resolve(
      x.type === "float"
        ? arena.floats.slice(at, end)
        : arena.integers.slice(at, end),
    );
  }

  return {
    name: `WebAssembly SIMD${relaxed ? "" : " (not relaxed)"}${
      weightSuffix(weightType)
    }`,
    get memorySize() {
      return arena.size;
    },
    get memoryUsed() {
      return arena.used;
    },
    read,
    scope: (body) => pool.scope(body),
    free: (tensors) => {
      for (const x of tensors) pool.free(x as CpuTensor);
    },
    ...uploadOperations(device),
    ...rowOperations(device),
    ...attentionOperations(device),
    ...movementOperations(device),
  };
}

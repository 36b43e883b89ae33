/**
 * The GPU backend. Tensors are WebGPU buffers, and operations record kernels,
 * which a read submits together. `core/reference/backend.ts` defines each
 * operation.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Tensor } from "../core/backend.ts";
import {
  type WeightOptions,
  weightSuffix,
} from "../core/checkpoints/quantize.ts";
import { sizeOf } from "../core/sizes.ts";
import { type Context, createContext } from "./context.ts";
import { gpuName } from "./device.ts";
import type { KernelTime } from "./kernel_timer.ts";
import { attentionOperations } from "./operations/attention.ts";
import { linearOperations } from "./operations/linear.ts";
import { movementOperations } from "./operations/movement.ts";
import { normOperations } from "./operations/norms.ts";
import { uploadOperations } from "./operations/upload.ts";
import { bufferOf, type GpuTensor } from "./tensors.ts";

/** Options of a GPU backend. */
export type GpuOptions = WeightOptions;

/** A backend on a GPU, with its memory and its profile. */
export interface GpuBackend extends Backend {
  /** Bytes of its buffers, both in use and idle. */
  readonly memorySize: number;
  /** Bytes of the buffers in use. */
  readonly memoryUsed: number;
  /**
   * Runs `body`, and measures the GPU time of the kernels that it records, by
   * label. Each kernel gets a pass of its own, which adds some microseconds. A
   * browser may round the times. Deno 2.9 reports ticks of the GPU instead of
   * nanoseconds; they are the same on NVIDIA's GPUs, but not on all others.
   *
   * @param body calls operations and awaits nothing
   * @throws {GpuError} the device lacks "timestamp-query", or as `read`
   */
  profile(body: () => void): Promise<ReadonlyMap<string, KernelTime>>;
  /**
   * Compiles the kernels that `body` would run, and runs none of them. If a
   * kernel does not compile, a later `read` rejects.
   *
   * @param body calls operations and awaits nothing; its tensors hold no values
   */
  prepare(body: () => void): Promise<void>;
}

/**
 * Makes a GPU backend on a device. Destroying the device frees all its memory.
 *
 * `read` rejects with a `GpuError` that names the kernel if a shader does not
 * compile, a call is invalid, memory runs out, or the device is lost. The values
 * of all tensors are undefined then, so every later `read` rejects too. Make a
 * new backend, and a new device if the device was lost.
 *
 * @param device from `requestGpu` or from elsewhere
 */
export function createGpuBackend(
  device: GPUDevice,
  { weightType = "f32" }: GpuOptions = {},
): GpuBackend {
  return backendOn(createContext(device, { weightType }));
}

/** Makes the backend of a context. */
export function backendOn(context: Context): GpuBackend {
  const { device, buffers, runner, tensors, weightType } = context;

  function read(x: Tensor): Promise<Float32Array>;
  function read(x: Indices): Promise<Int32Array>;
  async function read(
    x: Tensor | Indices,
  ): Promise<Float32Array | Int32Array> {
    const values = await runner.read(bufferOf(x), 4 * sizeOf(x.shape));
    return x.type === "float"
      ? new Float32Array(values)
      : new Int32Array(values);
  }

  return {
    name: `WebGPU on ${gpuName(device.adapterInfo)}${weightSuffix(weightType)}`,
    get memorySize() {
      return buffers.size;
    },
    get memoryUsed() {
      return buffers.used;
    },
    profile: (body) => runner.profile(body),
    prepare: (body) => runner.prepare(body),
    read,
    scope: (body) => tensors.scope(body),
    free: (freed) => {
      for (const x of freed) tensors.free(x as GpuTensor);
    },
    ...uploadOperations(context),
    ...linearOperations(context),
    ...normOperations(context),
    ...attentionOperations(context),
    ...movementOperations(context),
  };
}

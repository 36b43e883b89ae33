/**
 * The GPU backend: tensors in WebGPU buffers, operations as runs of kernels
 * that are recorded and submitted together when a result is read. What an
 * operation means is defined in `core/reference/backend.ts`.
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

/** How to make a GPU backend. */
export type GpuOptions = WeightOptions;

/** A GPU backend, and how much memory it takes. */
export interface GpuBackend extends Backend {
  /** Bytes of its buffers, in use or kept for later use. */
  readonly memorySize: number;
  /** Bytes of the buffers that tensors take. */
  readonly memoryUsed: number;
  /**
   * Runs `body` and waits for how long the GPU took for the kernels that it
   * records, by label. Each of them is timed in a pass of its own, which takes
   * some microseconds more than all in one pass do otherwise. Browsers may round
   * the times; Deno 2.9 takes a GPU's own ticks for nanoseconds, which they are
   * on NVIDIA's but not on all.
   *
   * @param body calls operations and awaits nothing
   * @throws {GpuError} the device lacks "timestamp-query", or as `read`
   */
  profile(body: () => void): Promise<ReadonlyMap<string, KernelTime>>;
  /**
   * Compiles the pipelines of the kernels that `body` would run, side by side,
   * and runs none of them.
   *
   * @param body calls operations and awaits nothing
   * @throws {GpuError} a kernel does not compile
   */
  prepare(body: () => void): Promise<void>;
}

/**
 * Makes a GPU backend on a device. Destroying the device frees all its memory.
 *
 * `read` rejects with a `GpuError` that names the kernel when a shader does not
 * compile, WebGPU finds a call invalid, memory runs out or the device is lost;
 * and so does every `read` after it, for tensors may hold anything then. Make a
 * new backend, and a new device where it was lost.
 *
 * @param device from `requestGpu`, or made elsewhere
 */
export function createGpuBackend(
  device: GPUDevice,
  { weightType = "f32" }: GpuOptions = {},
): GpuBackend {
  return backendOn(createContext(device, { weightType }));
}

/** The backend of a context. */
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

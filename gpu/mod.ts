/**
 * The backend in WebGPU, with handwritten compute kernels.
 *
 * API shape, or who owns what:
 *
 * - The caller owns the `GPUDevice`. `requestGpu` requests one, and a device
 *   from elsewhere works too. Destroying it frees everything below.
 * - `createGpuBackend` makes a backend, which owns the buffers of its tensors
 *   and its compiled pipelines. A device may have several backends.
 * - A tensor is a shape and a buffer on loan. `free` returns the buffer to the
 *   backend, and `scope` returns all buffers except those of its result.
 * - An operation (`linear`, `attention`, …) only records kernels and returns
 *   the tensor that they will write. No operation waits.
 * - A `Kernel` is data and owns nothing: WGSL, the names of its sizes and
 *   bindings, and its grid. The backend compiles it when it first runs, or in
 *   `prepare`.
 * - `read` submits all recorded kernels, waits, and returns a copy, which the
 *   caller owns. If the GPU has failed, this and every later `read` rejects
 *   with the first `GpuError`.
 *
 * @example
 * ```ts ignore
 * import { createGpuBackend, requestGpu } from "@tokensieve/tokensieve/gpu";
 *
 * const device = await requestGpu();
 * const backend = createGpuBackend(device);
 * const weight = backend.uploadWeight(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * const x = backend.upload(Float32Array.of(10, 1), [1, 2]);
 * console.log(await backend.read(backend.linear(x, weight))); // [12, 34]
 * device.destroy();
 * ```
 *
 * @module
 */

export {
  createGpuBackend,
  type GpuBackend,
  type GpuOptions,
} from "./backend.ts";
export { availableMemory } from "./buffers.ts";
export { gpuName, isSoftware, requestGpu } from "./device.ts";
export { GpuError, type GpuFailure } from "./failures.ts";
export { type Grid, type Kernel, type KernelRun, spread } from "./kernel.ts";
export type { KernelTime } from "./kernel_timer.ts";

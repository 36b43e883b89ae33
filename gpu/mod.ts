/**
 * The backend in WebGPU, with compute kernels by hand.
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
export {
  GpuError,
  type GpuFailure,
  gpuName,
  isSoftware,
  requestGpu,
} from "./device.ts";
export { type Grid, type Kernel, type KernelRun, spread } from "./kernel.ts";
export type { KernelTime } from "./kernel_timer.ts";
export { availableMemory } from "./memory.ts";

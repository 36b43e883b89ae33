/**
 * The CPU backend: {@linkcode Backend} in WebAssembly SIMD, assembled from
 * TypeScript at run time. It uses one thread. Samples are independent, so more
 * workers use more cores.
 *
 * @example
 * ```ts
 * import { createCpuBackend } from "@tokensieve/tokensieve/cpu";
 *
 * const backend = createCpuBackend();
 * const scores = backend.upload(Float32Array.of(0.1, 0.7, 0.2, 0.7), [1, 4]);
 * console.log(await backend.read(backend.topK(scores, 2))); // Int32Array [1, 3]
 * ```
 *
 * @module
 */

export {
  type CpuBackend,
  type CpuOptions,
  createCpuBackend,
} from "./backend.ts";

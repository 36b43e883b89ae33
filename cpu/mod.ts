/**
 * The CPU backend: {@linkcode Backend} in WebAssembly SIMD, assembled from
 * TypeScript when it is made. It uses one thread; samples are independent, so
 * whoever wants more cores takes more workers.
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

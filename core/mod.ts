/**
 * The multimodal transformer: LLaVA's forward pass from safetensors and pixels
 * to logits, written once against {@linkcode Backend}, with Sort & Reduce
 * inside the decoder. Plain TypeScript, no dependencies, no file system: runs
 * in Deno and in browsers.
 *
 * @example How many tokens would each layer keep at these rates?
 * ```ts
 * import { fromRates, meanKeepingRate } from "@tokensieve/tokensieve/core";
 *
 * const schedule = fromRates([1, 1, 0.5, 0.25], 576);
 * console.log(schedule.keep); // [576, 576, 288, 144]
 * console.log(meanKeepingRate(schedule)); // 0.6875
 * ```
 *
 * @module
 */

export * from "./backend.ts";
export * from "./bytes.ts";
export * from "./config.ts";
export * from "./decoder.ts";
export * from "./half.ts";
export * from "./image.ts";
export * from "./model.ts";
export * from "./projector.ts";
export * from "./quantize.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./reference.ts";
export * from "./safetensors.ts";
export * from "./schedule.ts";
export * from "./vision.ts";
export * from "./weights.ts";

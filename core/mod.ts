/**
 * The multimodal transformer: the forward pass of LLaVA and InternVL from
 * safetensors and pixels to logits, written once against {@linkcode Backend}, with Sort & Reduce
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
export * from "./reference/blocked_product.ts";
export * from "./checkpoints/bytes.ts";
export * from "./config.ts";
export * from "./images/crop.ts";
export * from "./decoder.ts";
export * from "./decoder_weights.ts";
export * from "./families.ts";
export * from "./generate.ts";
export * from "./checkpoints/half.ts";
export * from "./images/image.ts";
export * from "./layers.ts";
export * from "./model.ts";
export * from "./checkpoints/names.ts";
export * from "./prefix.ts";
export * from "./prepare.ts";
export * from "./images/preprocess.ts";
export * from "./projector.ts";
export * from "./checkpoints/quantize.ts";
export * from "./random.ts";
export * from "./ranking.ts";
export * from "./reduce.ts";
export * from "./reference/backend.ts";
export * from "./images/resize.ts";
export * from "./rope.ts";
export * from "./run.ts";
export * from "./checkpoints/safetensors.ts";
export * from "./sampling.ts";
export * from "./schedule.ts";
export * from "./images/tiles.ts";
export * from "./vision.ts";
export * from "./vision_tokens.ts";
export * from "./checkpoints/weights.ts";

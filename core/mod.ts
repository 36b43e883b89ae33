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
export * from "./blocked_product.ts";
export * from "./bytes.ts";
export * from "./config.ts";
export * from "./crop.ts";
export * from "./decoder.ts";
export * from "./decoder_weights.ts";
export * from "./families.ts";
export * from "./generate.ts";
export * from "./half.ts";
export * from "./image.ts";
export * from "./layers.ts";
export * from "./model.ts";
export * from "./names.ts";
export * from "./prefix.ts";
export * from "./prepare.ts";
export * from "./preprocess.ts";
export * from "./projector.ts";
export * from "./quantize.ts";
export * from "./random.ts";
export * from "./ranking.ts";
export * from "./reduce.ts";
export * from "./reference.ts";
export * from "./resize.ts";
export * from "./rope.ts";
export * from "./run.ts";
export * from "./safetensors.ts";
export * from "./sampling.ts";
export * from "./schedule.ts";
export * from "./tiles.ts";
export * from "./vision.ts";
export * from "./vision_tokens.ts";
export * from "./weights.ts";

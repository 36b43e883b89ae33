/**
 * Cost of a schedule in FLOPs, memory and KV cache (docs/method.md, "Cost"). It
 * is computed from the model's shape alone; nothing here is measured.
 *
 * One multiply-accumulate counts as 2 FLOPs. The count follows the paper:
 * attention covers the full square, without causal saving, and the head runs on
 * all positions. Norms, activations, softmax and the ranking of tokens are not
 * counted.
 *
 * L = layers, D = model width, M = MLP width, V = vocabulary, N = vision
 * tokens, T = text tokens.
 */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";

/** Sizes of a multimodal LLM that determine its cost. */
export interface ModelShape {
  /** L, decoder layers. */
  readonly layers: number;
  /** D, width of the hidden states and of the queries. */
  readonly width: number;
  /**
   * Width of the keys, which is also that of the values: key/value heads × head
   * width.
   */
  readonly kvWidth: number;
  /** M, inner width of the gated MLP (three matrices). */
  readonly mlpWidth: number;
  /** V, rows of the head. */
  readonly vocabulary: number;
  /**
   * FLOPs of vision encoder and projector for one prompt. No schedule changes
   * them. {@linkcode visionFlops} computes them for a CLIP-style encoder; for
   * any other encoder, give the number.
   */
  readonly visionFlops: number;
}

/** Sizes of a CLIP-style vision encoder and its projector. */
export interface VisionShape {
  /** Images (or tiles of one) encoded per prompt. */
  readonly images: number;
  /** Number of encoder layers that run. */
  readonly layers: number;
  /** Encoder width. */
  readonly width: number;
  /** Inner width of the encoder's MLP (two matrices). */
  readonly mlpWidth: number;
  /** Patches per image. */
  readonly patches: number;
  /** Numbers per patch: patch height × patch width × channels. */
  readonly patchInputs: number;
  /** Encoder tokens per image: the patches, and the class token if any. */
  readonly tokens: number;
  /** Vision tokens per image that pass through the projector. */
  readonly projectorTokens: number;
  /** Widths before, between and after the projector's linear layers. */
  readonly projectorWidths: readonly number[];
}

/** Options of {@linkcode visionFlops}. */
export interface VisionFlopsOptions {
  /**
   * Whether to count the two attention products. Default true. The published
   * InternVL2 numbers leave them out (see {@linkcode publishedModels}).
   */
  readonly attention?: boolean;
}

/**
 * FLOPs of the vision encoder and the projector for one prompt.
 *
 * @param vision Sizes of the encoder and the projector.
 * @param options Whether attention products count.
 * @returns FLOPs.
 */
export function visionFlops(
  vision: VisionShape,
  { attention = true }: VisionFlopsOptions = {},
): number {
  const { layers, width, mlpWidth, tokens, projectorWidths } = vision;
  const patchEmbedding = 2 * vision.patches * vision.patchInputs * width;
  const linear = tokens * 2 * (4 * width ** 2 + 2 * width * mlpWidth);
  const products = attention ? 4 * tokens ** 2 * width : 0;
  let projector = 0;
  for (let i = 1; i < projectorWidths.length; i++) {
    projector += 2 * vision.projectorTokens *
      projectorWidths[i - 1] * projectorWidths[i];
  }
  return vision.images *
    (patchEmbedding + layers * (linear + products) + projector);
}

/**
 * FLOPs of the decoder and its head for one prefill:
 * `Σ_l [N_l · 2(2D² + 2·D·D_kv + 3·D·M) + 4·N_l²·D] + 2·N_L·D·V` with
 * `N_l = T + keep[l]`, where N_L is that of the last layer.
 *
 * @param model The model's sizes.
 * @param schedule Keep counts, one per decoder layer.
 * @param textTokens T, the number of tokens that are not vision tokens.
 * @returns FLOPs.
 * @throws {RangeError} If the schedule and the model differ in depth.
 */
export function decoderFlops(
  model: ModelShape,
  schedule: Schedule,
  textTokens: number,
): number {
  checkDepth(model, schedule);
  const { width, kvWidth, mlpWidth, vocabulary } = model;
  const perToken = 2 *
    (2 * width ** 2 + 2 * width * kvWidth + 3 * width * mlpWidth);
  let flops = 0;
  for (const keep of schedule.keep) {
    const tokens = textTokens + keep;
    flops += tokens * perToken + 4 * tokens ** 2 * width;
  }
  const tokensAtHead = textTokens + schedule.keep[model.layers - 1];
  return flops + 2 * tokensAtHead * width * vocabulary;
}

/**
 * FLOPs of one prefill of the whole model: vision encoder, projector, decoder
 * and head. The paper's tables give this number in TFLOPs.
 *
 * @param model The model's sizes.
 * @param schedule Keep counts, one per decoder layer.
 * @param textTokens T, the number of tokens that are not vision tokens.
 * @returns FLOPs.
 * @throws {RangeError} If the schedule and the model differ in depth.
 */
export function prefillFlops(
  model: ModelShape,
  schedule: Schedule,
  textTokens: number,
): number {
  return model.visionFlops + decoderFlops(model, schedule, textTokens);
}

/** Options of {@linkcode kvCacheBytes}. */
export interface KvCacheOptions {
  /** T, the number of tokens that are not vision tokens. */
  readonly textTokens: number;
  /** Bytes per cached number: 2 for f16, 4 for f32. */
  readonly bytesPerElement: number;
}

/**
 * Size of the KV cache after prefill, in bytes. Layer l caches the keys and
 * values of the text and of the `keep[l]` vision tokens that it computes with
 * (docs/method.md, "Sort & Reduce"). The paper's "memory cost" is not this
 * number but `meanKeepingRate()`, which leaves out the text.
 *
 * @param model The model's sizes.
 * @param schedule Keep counts, one per decoder layer.
 * @param options Number of text tokens and element size.
 * @returns Bytes.
 * @throws {RangeError} If the schedule and the model differ in depth.
 */
export function kvCacheBytes(
  model: ModelShape,
  schedule: Schedule,
  { textTokens, bytesPerElement }: KvCacheOptions,
): number {
  checkDepth(model, schedule);
  const tokens = schedule.keep.reduce(
    (sum, keep) => sum + textTokens + keep,
    0,
  );
  return tokens * 2 * model.kvWidth * bytesPerElement;
}

/** A model from the paper's tables, with the prompt of its published cost. */
export interface PublishedModel extends ModelShape {
  /** N, vision tokens of the prompt. */
  readonly visionTokens: number;
  /** T, text tokens of the prompt, inferred from the published FLOPs. */
  readonly textTokens: number;
}

// The models' public config.json files give the sizes of the encoders alone.
const clipLarge336 = {
  layers: 24, // all of them run, though the features come from the 23rd
  width: 1024,
  mlpWidth: 4096,
  patches: 576, // (336 / 14)²
  patchInputs: 588, // 14 · 14 · 3
  tokens: 577,
};
const internVit300m = {
  layers: 24,
  width: 1024,
  mlpWidth: 4096,
  patches: 1024, // (448 / 14)²
  patchInputs: 588,
  tokens: 1025,
};

/**
 * InternVL2 encodes 5 tiles; four neighbouring patches make one vision token.
 */
function internVlVisionFlops(decoderWidth: number): number {
  return visionFlops({
    ...internVit300m,
    images: 5,
    projectorTokens: 256,
    projectorWidths: [4 * internVit300m.width, decoderWidth, decoderWidth],
  }, { attention: false });
}

/**
 * The three models of the paper's main table. The cost model reproduces the
 * rows of the table within .03 TFLOPs, with one exception. For PyramidDrop on
 * LLaVA the table prints 5.47, but the formula and the paper's own figure give
 * 4.95 (docs/reproducing-the-paper.md, "What differs").
 *
 * InternVL2's numbers leave out the attention products. The published .619
 * TFLOPs per InternViT-300M tile match the linear layers alone (.620; .724 with
 * the attention products). Presumably the profiler does not see into the
 * encoder's fused attention. CLIP's .382 TFLOPs include the attention products.
 */
export const publishedModels: Readonly<
  Record<"LLaVA-1.5-7B" | "InternVL2-1B" | "InternVL2-2B", PublishedModel>
> = {
  "LLaVA-1.5-7B": {
    layers: 32,
    width: 4096,
    kvWidth: 4096,
    mlpWidth: 11008,
    vocabulary: 32064,
    visionFlops: visionFlops({
      ...clipLarge336,
      images: 1,
      projectorTokens: 576,
      projectorWidths: [1024, 4096, 4096],
    }),
    visionTokens: 576,
    textTokens: 72,
  },
  "InternVL2-1B": {
    layers: 24,
    width: 896,
    kvWidth: 128,
    mlpWidth: 4864,
    vocabulary: 151655,
    visionFlops: internVlVisionFlops(896),
    visionTokens: 1280,
    textTokens: 80,
  },
  "InternVL2-2B": {
    layers: 24,
    width: 2048,
    kvWidth: 1024,
    mlpWidth: 8192,
    vocabulary: 92553,
    visionFlops: internVlVisionFlops(2048),
    visionTokens: 1280,
    textTokens: 78,
  },
};

function checkDepth(model: ModelShape, schedule: Schedule): void {
  if (schedule.keep.length !== model.layers) {
    throw new RangeError(
      `Cannot compute the cost as the schedule must have ${model.layers} layers: current value is ${schedule.keep.length}`,
    );
  }
}

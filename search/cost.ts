/**
 * What a schedule costs: FLOPs, memory and KV cache, from the model's shape
 * alone (docs/method.md, "Cost"). Nothing here is measured.
 *
 * One multiply-accumulate counts as 2 FLOPs. As the paper counts it: attention
 * over the full square (no causal saving), the head on all positions, and no
 * norms, activations, softmax or the ranking of tokens.
 *
 * L = layers, D = model width, M = MLP width, V = vocabulary, N = vision
 * tokens, T = text tokens.
 */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";

/** The sizes of a multimodal LLM that its cost depends on. */
export interface ModelShape {
  /** L, decoder layers. */
  readonly layers: number;
  /** D, width of the hidden states and of the queries. */
  readonly width: number;
  /** Width of the keys, and of the values: key/value heads × head width. */
  readonly kvWidth: number;
  /** M, inner width of the gated MLP (three matrices). */
  readonly mlpWidth: number;
  /** V, rows of the head. */
  readonly vocabulary: number;
  /**
   * FLOPs of vision encoder and projector for one prompt, which no schedule
   * changes: {@linkcode visionFlops} of a CLIP-style encoder, else a number.
   */
  readonly visionFlops: number;
}

/** The sizes of a CLIP-style vision encoder and its projector. */
export interface VisionShape {
  /** Images (or tiles of one) encoded per prompt. */
  readonly images: number;
  /** Encoder layers that are run. */
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
  /** Vision tokens per image that pass the projector. */
  readonly projectorTokens: number;
  /** Widths before, between and after the projector's linear layers. */
  readonly projectorWidths: readonly number[];
}

/** Options of {@linkcode visionFlops}. */
export interface VisionFlopsOptions {
  /**
   * Whether to count the two attention products. Default true. The published
   * InternVL2 numbers leave them out, see {@linkcode publishedModels}.
   */
  readonly attention?: boolean;
}

/**
 * FLOPs of vision encoder and projector for one prompt.
 *
 * @param vision Sizes of encoder and projector.
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
 * `N_l = T + keep[l]` and N_L that of the last layer.
 *
 * @param model The model's sizes.
 * @param schedule Keep counts, one per decoder layer.
 * @param textTokens T, every token that is not a vision token.
 * @returns FLOPs.
 * @throws {RangeError} If the schedule is of another depth than the model.
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
 * and head. What the paper's tables give in TFLOPs.
 *
 * @param model The model's sizes.
 * @param schedule Keep counts, one per decoder layer.
 * @param textTokens T, every token that is not a vision token.
 * @returns FLOPs.
 * @throws {RangeError} If the schedule is of another depth than the model.
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
  /** T, every token that is not a vision token. */
  readonly textTokens: number;
  /** Bytes per cached number: 2 for f16, 4 for f32. */
  readonly bytesPerElement: number;
}

/**
 * Bytes of the KV cache after prefill: layer l caches keys and values of the
 * text and of the `keep[l]` vision tokens it computed with (docs/method.md,
 * "Sort & Reduce").
 * The paper's "memory cost" is `meanKeepingRate()` instead, without the text.
 *
 * @param model The model's sizes.
 * @param schedule Keep counts, one per decoder layer.
 * @param options Text tokens and element size.
 * @returns Bytes.
 * @throws {RangeError} If the schedule is of another depth than the model.
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

/** A model of the paper's tables, with the prompt it was counted on. */
export interface PublishedModel extends ModelShape {
  /** N, vision tokens of the prompt. */
  readonly visionTokens: number;
  /** T, text tokens of the prompt, as inferred from the published FLOPs. */
  readonly textTokens: number;
}

// Sizes of the encoder alone from the models' public config.json files.
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

/** InternVL2: 5 tiles; four neighbouring patches make one vision token. */
function internVlVisionFlops(decoderWidth: number): number {
  return visionFlops({
    ...internVit300m,
    images: 5,
    projectorTokens: 256,
    projectorWidths: [4 * internVit300m.width, decoderWidth, decoderWidth],
  }, { attention: false });
}

/**
 * The three models of the paper's main table, whose rows the cost model reproduces
 * within .03 TFLOPs, but for PyramidDrop on LLaVA: printed are 5.47, while formula
 * and the paper's own figure give 4.95 (docs/reproducing-the-paper.md, "What differs").
 *
 * The published .619 TFLOPs per InternViT-300M tile is what the linear layers
 * alone give (.620; .724 with the attention products), so the products are
 * left out there: presumably the profiler does not see into the encoder's
 * fused attention. CLIP's .382 includes them.
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

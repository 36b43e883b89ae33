/**
 * The configuration of a vision language model: all that the forward pass needs,
 * in one form for all families. `families.ts` reads it from a `config.json`.
 *
 * This module is browser compatible.
 */

import type { Activation } from "./backend.ts";
import type { RopeConfig } from "./rope.ts";

/** A vision Transformer. */
export interface VisionConfig {
  /**
   * - `clip`: a LayerNorm before the first layer;
   * - `intern`: InternViT, with a bias on the patches and a learned scale on the
   *   output of each attention and MLP.
   */
  readonly type: "clip" | "intern";
  /** Width of the hidden states. */
  readonly width: number;
  /** Encoder layers. */
  readonly layers: number;
  /** Attention heads. */
  readonly heads: number;
  /** Width of the MLP's hidden layer. */
  readonly mlpWidth: number;
  /** Side of the square input image, in pixels. */
  readonly imageSize: number;
  /** Side of a square patch, in pixels. */
  readonly patchSize: number;
  /** Activation of the MLP. */
  readonly activation: Activation;
  /** Which normalisation the layers use. */
  readonly norm: NormType;
  /** ε of the normalisation. */
  readonly normEpsilon: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkvBias: boolean;
  /**
   * ε of the RMSNorms over all heads of the queries and of the keys, or null.
   */
  readonly qkNormEpsilon: number | null;
  /** Number of encoder layers before the features are taken. */
  readonly featureLayers: number;
  /** Whether the class token is left out of the features. */
  readonly dropClassToken: boolean;
}

/** LayerNorm or RMSNorm. */
export type NormType = "layer" | "rms";

/** The projector: features → vision tokens. */
export interface ProjectorConfig {
  /**
   * m: m × m neighbouring patches become one vision token (pixel shuffle). 1: every
   * feature becomes one.
   */
  readonly merge: number;
  /** Whether a LayerNorm comes first. */
  readonly norm: boolean;
  /** Between the two layers. */
  readonly activation: Activation;
}

/** A decoder: LLaMA with the variations of these fields. */
export interface DecoderConfig {
  /** The naming of its weights in a checkpoint. */
  readonly type: "llama" | "internlm2" | "phi3";
  /** D, width of the hidden states. */
  readonly width: number;
  /** L, decoder layers. */
  readonly layers: number;
  /** H, query heads. */
  readonly heads: number;
  /** K, key/value heads; a divisor of H. */
  readonly kvHeads: number;
  /** E, width of one head. */
  readonly headWidth: number;
  /** M, width of the MLP's hidden layer. */
  readonly mlpWidth: number;
  /** V, tokens in the vocabulary. */
  readonly vocabulary: number;
  /** ε of all RMSNorms. */
  readonly normEpsilon: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkvBias: boolean;
  /** Whether the attention's output has a bias. */
  readonly outBias: boolean;
  /** The rotary frequencies. */
  readonly rope: RopeConfig;
  /**
   * Length of the sliding window, or null. Longer sequences are refused, as
   * sliding windows are not implemented.
   */
  readonly window: number | null;
  /** Whether the output head may be the embedding table. */
  readonly tiedHead: boolean;
}

/** How a checkpoint lays out a model; see `families/`. */
export type Family = "llava" | "internvl2" | "internvl";

/** A whole vision language model. */
export interface ModelConfig {
  /** The layout of its checkpoint. */
  readonly family: Family;
  /** The vision tower. */
  readonly vision: VisionConfig;
  /** Features → vision tokens. */
  readonly projector: ProjectorConfig;
  /** The language model. */
  readonly decoder: DecoderConfig;
  /**
   * The placeholder of one vision token in a prompt: its id, or its text if
   * config.json leaves the id to the tokenizer.
   */
  readonly imageToken: number | string;
  /** N, vision tokens per tile; an image is one tile or several. */
  readonly visionTokens: number;
}

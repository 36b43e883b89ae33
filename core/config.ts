/**
 * The shape of a LLaVA model, read from the `config.json` of a Hugging Face
 * directory. Fields that the file leaves out have the defaults of the
 * transformers classes (ModelConfig, CLIPVisionConfig, LlamaConfig), because
 * published checkpoints rely on them.
 *
 * This module is browser compatible.
 */

import type { Activation } from "./backend.ts";
import { Fields } from "./fields.ts";

/** A CLIP vision tower. */
export interface VisionConfig {
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
  /** Of the MLP. */
  readonly activation: Activation;
  /** ε of all LayerNorms. */
  readonly normEpsilon: number;
  /** How many encoder layers run before the features are taken. */
  readonly featureLayers: number;
  /** Whether the class token is left out of the features. */
  readonly dropClassToken: boolean;
}

/** A LLaMA decoder. */
export interface DecoderConfig {
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
  /** Base of the rotary frequencies, θ. */
  readonly ropeTheta: number;
  /** Whether the output head is the embedding table. */
  readonly tiedHead: boolean;
}

/** A whole LLaVA model. */
export interface ModelConfig {
  /** The vision tower. */
  readonly vision: VisionConfig;
  /** Between the projector's two layers. */
  readonly projectorActivation: Activation;
  /** The language model. */
  readonly decoder: DecoderConfig;
  /** The token that stands for one vision token in a prompt. */
  readonly imageToken: number;
  /** N, vision tokens per image. */
  readonly visionTokens: number;
}

/** Names of activations in config.json. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  "gelu": "gelu",
  "gelu_pytorch_tanh": "gelu_tanh",
  "gelu_new": "gelu_tanh",
  "quick_gelu": "quick_gelu",
};

/**
 * Reads a LLaVA configuration.
 *
 * @param json the parsed content of config.json
 * @param label what error messages call it, such as its path
 * @throws {TypeError} the file, or a nested part of it, is not a JSON object
 * @throws {RangeError} a field has a value that is wrong, or asks for something
 *   that this implementation lacks
 */
export function parseModelConfig(
  json: unknown,
  label: string = "config.json",
): ModelConfig {
  const top = new Fields(json, label);
  top.oneOf("model_type", { llava: true });
  const vision = parseVision(top);
  const grid = Math.floor(vision.imageSize / vision.patchSize);
  return {
    vision,
    projectorActivation: top.oneOf("projector_hidden_act", ACTIVATIONS, "gelu"),
    decoder: parseDecoder(top),
    imageToken: top.integer("image_token_index", 32000, 0),
    visionTokens: grid * grid + (vision.dropClassToken ? 0 : 1),
  };
}

function parseVision(top: Fields): VisionConfig {
  const fields = top.record("vision_config");
  fields.oneOf(
    "model_type",
    { "clip_vision_model": true },
    "clip_vision_model",
  );
  const layers = fields.integer("num_hidden_layers", 12);
  // Counted like hidden states: 0 is the embedding, −1 the last layer's output.
  const featureLayer = top.integer(
    "vision_feature_layer",
    -2,
    -layers - 1,
    layers,
  );
  const heads = fields.integer("num_attention_heads", 12);
  return {
    width: fields.multipleOf(heads, "hidden_size", 768),
    layers,
    heads,
    mlpWidth: fields.integer("intermediate_size", 3072),
    imageSize: fields.integer("image_size", 224),
    patchSize: fields.integer("patch_size", 32),
    activation: fields.oneOf("hidden_act", ACTIVATIONS, "quick_gelu"),
    normEpsilon: fields.positive("layer_norm_eps", 1e-5),
    featureLayers: featureLayer < 0 ? layers + 1 + featureLayer : featureLayer,
    dropClassToken: top.oneOf(
      "vision_feature_select_strategy",
      { default: true, full: false },
      "default",
    ),
  };
}

function parseDecoder(top: Fields): DecoderConfig {
  const fields = top.record("text_config");
  fields.oneOf("model_type", { llama: true }, "llama");
  fields.oneOf("hidden_act", { silu: true }, "silu");
  const width = fields.integer("hidden_size", 4096);
  const heads = fields.integer("num_attention_heads", 32);
  const kvHeads = fields.integer("num_key_value_heads", heads, 1, heads);
  if (heads % kvHeads !== 0) {
    throw fields.error(
      "num_key_value_heads",
      `must divide num_attention_heads (${heads})`,
      kvHeads,
    );
  }
  // transformers 5 nests the rotary settings; before, rope_theta stood alone.
  const rope = fields.record("rope_parameters");
  rope.oneOf("rope_type", { default: true }, "default");
  const scaling = fields.record("rope_scaling");
  for (const name of ["rope_type", "type"]) {
    scaling.oneOf(name, { default: true }, "default");
  }
  // A checkpoint with these would load, and be wrong: biases are not looked for.
  for (const name of ["attention_bias", "mlp_bias"]) {
    if (fields.boolean(name, false)) {
      throw fields.error(name, "must be false", true);
    }
  }
  return {
    width,
    layers: fields.integer("num_hidden_layers", 32),
    heads,
    kvHeads,
    headWidth: fields.multipleOf(2, "head_dim", width / heads),
    mlpWidth: fields.integer("intermediate_size", 11008),
    vocabulary: fields.integer("vocab_size", 32000),
    normEpsilon: fields.positive("rms_norm_eps", 1e-6),
    ropeTheta: rope.positive(
      "rope_theta",
      fields.positive("rope_theta", 10000),
    ),
    // Either place will do, as for transformers' ModelConfig.
    tiedHead: fields.boolean("tie_word_embeddings", false) ||
      top.boolean("tie_word_embeddings", false),
  };
}

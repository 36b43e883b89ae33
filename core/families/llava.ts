/**
 * LLaVA-1.5: CLIP's vision tower and LLaMA (transformers'
 * LlavaForConditionalGeneration; defaults of ModelConfig and CLIPVisionConfig).
 *
 * This module is browser compatible.
 */

import type { ModelConfig, VisionConfig } from "../config.ts";
import type { Fields } from "../checkpoints/fields.ts";
import type { CheckpointNames, PartNames } from "../checkpoints/names.ts";
import { decoderNames, parseDecoder, ROTARY_FREQUENCIES } from "./decoders.ts";
import { ACTIVATIONS, featureLayers, MAX_LAYERS, PREFIXES } from "./shared.ts";

/** Reads the configuration of a LLaVA model. */
export function parseLlava(top: Fields): ModelConfig {
  const vision = parseClip(top);
  // A projector without biases would be blamed on the weights that lack them.
  if (!top.boolean("multimodal_projector_bias", true)) {
    throw top.error("multimodal_projector_bias", "must be true", false);
  }
  const text = top.record("text_config");
  const decoder = parseDecoder(
    text,
    text.oneOf("model_type", { llama: "llama" }, "llama"),
  );
  const grid = Math.floor(vision.imageSize / vision.patchSize);
  return {
    family: "llava",
    vision,
    projector: {
      merge: 1,
      norm: false,
      activation: top.oneOf("projector_hidden_act", ACTIVATIONS, "gelu"),
    },
    decoder: {
      ...decoder,
      // Either place will do, as for transformers' ModelConfig.
      tiedHead: decoder.tiedHead || top.boolean("tie_word_embeddings", false),
    },
    imageToken: top.integer("image_token_index", 32000, 0),
    visionTokens: grid * grid + (vision.dropClassToken ? 0 : 1),
  };
}

function parseClip(top: Fields): VisionConfig {
  const fields = top.record("vision_config");
  fields.oneOf(
    "model_type",
    { "clip_vision_model": true },
    "clip_vision_model",
  );
  const layers = fields.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
  const heads = fields.integer("num_attention_heads", 12);
  const imageSize = fields.integer("image_size", 224);
  return {
    type: "clip",
    width: fields.multipleOf(heads, "hidden_size", 768),
    layers,
    heads,
    mlpWidth: fields.integer("intermediate_size", 3072),
    imageSize,
    patchSize: fields.integer("patch_size", 32, 1, imageSize),
    activation: fields.oneOf("hidden_act", ACTIVATIONS, "quick_gelu"),
    norm: "layer",
    normEpsilon: fields.positive("layer_norm_eps", 1e-5),
    qkvBias: true,
    qkNormEpsilon: null,
    featureLayers: featureLayers(top, "vision_feature_layer", layers, -2),
    dropClassToken: top.oneOf(
      "vision_feature_select_strategy",
      { default: true, full: false },
      "default",
    ),
  };
}

const CLIP_NAMES: PartNames["names"] = {
  "classToken": "embeddings.class_embedding",
  "patchEmbedding": "embeddings.patch_embedding",
  "positions": "embeddings.position_embedding.weight",
  "preNorm": "pre_layrnorm", // so spelt in every checkpoint
  "layers.*.norm1": "encoder.layers.*.layer_norm1",
  "layers.*.query": "encoder.layers.*.self_attn.q_proj",
  "layers.*.key": "encoder.layers.*.self_attn.k_proj",
  "layers.*.value": "encoder.layers.*.self_attn.v_proj",
  "layers.*.out": "encoder.layers.*.self_attn.out_proj",
  "layers.*.norm2": "encoder.layers.*.layer_norm2",
  "layers.*.up": "encoder.layers.*.mlp.fc1",
  "layers.*.down": "encoder.layers.*.mlp.fc2",
};

/** The names of a LLaVA checkpoint. */
export function llavaNames({ decoder }: ModelConfig): CheckpointNames {
  return {
    vision: {
      prefixes: PREFIXES.vision.flatMap((prefix) => [
        prefix,
        `${prefix}vision_model.`,
      ]),
      names: CLIP_NAMES,
    },
    projector: {
      prefixes: PREFIXES.projector,
      names: { "linear1": "linear_1", "linear2": "linear_2" },
    },
    decoder: { prefixes: PREFIXES.decoder, names: decoderNames(decoder) },
    head: { prefixes: PREFIXES.head, names: { "linear": "lm_head" } },
    ignored: [
      /^(model\.)?vision_tower\.(vision_model\.)?post_layernorm\./,
      /\.embeddings\.position_ids$/,
      ROTARY_FREQUENCIES,
    ],
  };
}

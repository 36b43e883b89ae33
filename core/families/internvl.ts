/**
 * InternVL as transformers lays it out (InternVLForConditionalGeneration), which
 * holds InternVL2.5 and 3 too: InternViT, pixel shuffle, and a decoder of any
 * class. Defaults of InternVLConfig and InternVLVisionConfig.
 *
 * This module is browser compatible.
 */

import type { ModelConfig, VisionConfig } from "../config.ts";
import type { Fields } from "../checkpoints/fields.ts";
import type { CheckpointNames, PartNames } from "../checkpoints/names.ts";
import { decoderNames, parseDecoder, ROTARY_FREQUENCIES } from "./decoders.ts";
import {
  ACTIVATIONS,
  featureLayers,
  MAX_LAYERS,
  mergedTokens,
  NORMS,
  PREFIXES,
} from "./shared.ts";

/** ε of the norms of queries and keys, regardless of the configuration. */
const QK_NORM_EPSILON = 1e-6;

/** Reads the configuration of an InternVL model in transformers' layout. */
export function parseInternvl(top: Fields): ModelConfig {
  top.oneOf("vision_feature_select_strategy", { default: true }, "default");
  const vision = parseVision(top);
  const text = top.record("text_config");
  const decoder = parseDecoder(
    text,
    text.oneOf("model_type", { qwen2: "qwen2", llama: "llama" }, "qwen2"),
  );
  return {
    family: "internvl",
    vision,
    projector: {
      merge: 2,
      norm: true,
      activation: top.oneOf("projector_hidden_act", ACTIVATIONS, "gelu"),
    },
    decoder: {
      ...decoder,
      tiedHead: top.boolean("tie_word_embeddings", true),
    },
    imageToken: top.integer("image_token_id", 151667, 0),
    visionTokens: mergedTokens(top, vision),
  };
}

function parseVision(top: Fields): VisionConfig {
  const fields = top.record("vision_config");
  fields.oneOf("model_type", { "internvl_vision": true }, "internvl_vision");
  for (const name of ["use_mean_pooling", "use_absolute_position_embeddings"]) {
    // With use_mean_pooling false, a norm would follow the last layer.
    if (!fields.boolean(name, true)) {
      throw fields.error(name, "must be true", false);
    }
  }
  const layers = fields.integer("num_hidden_layers", 24, 1, MAX_LAYERS);
  const heads = fields.integer("num_attention_heads", 16);
  return {
    type: "intern",
    width: fields.multipleOf(heads, "hidden_size", 1024),
    layers,
    heads,
    mlpWidth: fields.integer("intermediate_size", 4096),
    imageSize: fields.side("image_size", 448),
    patchSize: fields.side("patch_size", 14),
    activation: fields.oneOf("hidden_act", ACTIVATIONS, "gelu"),
    norm: fields.oneOf("norm_type", NORMS, "layer_norm"),
    normEpsilon: fields.positive("layer_norm_eps", 1e-6),
    qkvBias: fields.boolean("attention_bias", false),
    qkNormEpsilon: fields.boolean("use_qk_norm", false)
      ? QK_NORM_EPSILON
      : null,
    featureLayers: featureLayers(top, "vision_feature_layer", layers, -1),
    dropClassToken: true,
  };
}

const VISION_NAMES: PartNames["names"] = {
  "classToken": "embeddings.cls_token",
  "patchEmbedding": "embeddings.patch_embeddings.projection",
  "positions": "embeddings.position_embeddings",
  "layers.*.norm1": "encoder.layer.*.layernorm_before",
  "layers.*.query": "encoder.layer.*.attention.q_proj",
  "layers.*.key": "encoder.layer.*.attention.k_proj",
  "layers.*.value": "encoder.layer.*.attention.v_proj",
  "layers.*.queryNorm": "encoder.layer.*.attention.q_norm",
  "layers.*.keyNorm": "encoder.layer.*.attention.k_norm",
  "layers.*.out": "encoder.layer.*.attention.projection_layer",
  "layers.*.outScale": "encoder.layer.*.lambda_1",
  "layers.*.norm2": "encoder.layer.*.layernorm_after",
  "layers.*.up": "encoder.layer.*.mlp.fc1",
  "layers.*.down": "encoder.layer.*.mlp.fc2",
  "layers.*.downScale": "encoder.layer.*.lambda_2",
};

/** The names of an InternVL checkpoint in transformers' layout. */
export function internvlNames({ decoder }: ModelConfig): CheckpointNames {
  return {
    vision: { prefixes: PREFIXES.vision, names: VISION_NAMES },
    projector: {
      prefixes: PREFIXES.projector,
      names: {
        "norm": "layer_norm",
        "linear1": "linear_1",
        "linear2": "linear_2",
      },
    },
    decoder: { prefixes: PREFIXES.decoder, names: decoderNames(decoder) },
    head: { prefixes: PREFIXES.head, names: { "linear": "lm_head" } },
    ignored: [/\.embeddings\.mask_token$/, ROTARY_FREQUENCIES],
  };
}

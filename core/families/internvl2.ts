/**
 * InternVL2 in its original layout (InternVLChatModel): InternViT with fused
 * query, key and value, pixel shuffle version 2, and Qwen2 (1B), InternLM2 (2B,
 * 8B), Phi-3 (4B) or LLaMA. Defaults of InternVLChatConfig and
 * InternVisionConfig.
 *
 * This module is browser compatible.
 */

import type { ModelConfig, VisionConfig } from "../config.ts";
import type { Fields } from "../checkpoints/fields.ts";
import {
  type CheckpointNames,
  fused,
  type PartNames,
} from "../checkpoints/names.ts";
import {
  type DecoderClass,
  decoderNames,
  parseDecoder,
  ROTARY_FREQUENCIES,
} from "./decoders.ts";
import {
  ACTIVATIONS,
  featureLayers,
  MAX_LAYERS,
  mergedTokens,
  NORMS,
} from "./shared.ts";

const DECODERS: Readonly<Record<string, DecoderClass>> = {
  "Qwen2ForCausalLM": "qwen2",
  "InternLM2ForCausalLM": "internlm2",
  "Phi3ForCausalLM": "phi3",
  "LlamaForCausalLM": "llama",
};

/** Reads the configuration of an InternVL2 model in its original layout. */
export function parseInternvl2(top: Fields): ModelConfig {
  // Version 1 leaves the picture transposed.
  top.oneOf("ps_version", { v2: true }, "v1");
  const vision = parseVision(top);
  const llm = top.record("llm_config");
  llm.oneOf("rope_pos_id_version", { default: true }, "default");
  return {
    family: "internvl2",
    vision,
    projector: { merge: 2, norm: true, activation: "gelu" },
    decoder: parseDecoder(llm, llm.firstOf("architectures", DECODERS)),
    imageToken: "<IMG_CONTEXT>",
    visionTokens: mergedTokens(top, vision),
  };
}

function parseVision(top: Fields): VisionConfig {
  const fields = top.record("vision_config");
  fields.oneOf("model_type", { "intern_vit_6b": true }, "intern_vit_6b");
  const layers = fields.integer("num_hidden_layers", 48, 1, MAX_LAYERS);
  const heads = fields.integer("num_attention_heads", 25);
  const imageSize = fields.integer("image_size", 224);
  const forced = top.integer("force_image_size", imageSize);
  if (forced !== imageSize) {
    throw top.error(
      "force_image_size",
      `must be vision_config.image_size (${imageSize}), for positions are not interpolated`,
      forced,
    );
  }
  const normEpsilon = fields.positive("layer_norm_eps", 1e-6);
  return {
    type: "intern",
    width: fields.multipleOf(heads, "hidden_size", 3200),
    layers,
    heads,
    mlpWidth: fields.integer("intermediate_size", 12800),
    imageSize,
    patchSize: fields.integer("patch_size", 14),
    activation: fields.oneOf("hidden_act", ACTIVATIONS, "gelu"),
    norm: fields.oneOf("norm_type", NORMS, "rms_norm"),
    normEpsilon,
    qkvBias: fields.boolean("qkv_bias", false),
    qkNormEpsilon: fields.boolean("qk_normalization", true)
      ? normEpsilon
      : null,
    featureLayers: featureLayers(top, "select_layer", layers, -1),
    dropClassToken: true,
  };
}

const VISION_NAMES: PartNames["names"] = {
  "classToken": "embeddings.class_embedding",
  "patchEmbedding": "embeddings.patch_embedding",
  "positions": "embeddings.position_embedding",
  "layers.*.norm1": "encoder.layers.*.norm1",
  ...fused("encoder.layers.*.attn.qkv", [
    "layers.*.query",
    "layers.*.key",
    "layers.*.value",
  ]),
  "layers.*.queryNorm": "encoder.layers.*.attn.q_norm",
  "layers.*.keyNorm": "encoder.layers.*.attn.k_norm",
  "layers.*.out": "encoder.layers.*.attn.proj",
  "layers.*.outScale": "encoder.layers.*.ls1",
  "layers.*.norm2": "encoder.layers.*.norm2",
  "layers.*.up": "encoder.layers.*.mlp.fc1",
  "layers.*.down": "encoder.layers.*.mlp.fc2",
  "layers.*.downScale": "encoder.layers.*.ls2",
};

/** The names of an InternVL2 checkpoint in its original layout. */
export function internvl2Names({ decoder }: ModelConfig): CheckpointNames {
  return {
    vision: { prefixes: ["vision_model."], names: VISION_NAMES },
    projector: {
      prefixes: ["mlp1."],
      names: { "norm": "0", "linear1": "1", "linear2": "3" },
    },
    decoder: {
      prefixes: ["language_model.model."],
      names: decoderNames(decoder),
    },
    head: {
      prefixes: ["language_model."],
      names: {
        "linear": decoder.type === "internlm2" ? "output" : "lm_head",
      },
    },
    ignored: [ROTARY_FREQUENCIES],
  };
}

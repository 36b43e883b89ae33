/**
 * The decoders of all families: their configurations, and the names of their
 * weights in checkpoints. Defaults are those of the classes that read the configuration
 * (transformers' LlamaConfig, Qwen2Config and Phi3Config, the original
 * InternLM2Config), because published checkpoints rely on them.
 *
 * This module is browser compatible.
 */

import type { DecoderConfig } from "../config.ts";
import type { Fields } from "../checkpoints/fields.ts";
import { fused, type PartNames } from "../checkpoints/names.ts";
import { MAX_LAYERS } from "./shared.ts";
import { parseRope } from "./rope.ts";

/** Decoder classes that are known. */
export type DecoderClass = "llama" | "qwen2" | "internlm2" | "phi3";

/** The differences between classes: defaults and biases. */
interface ClassTraits {
  readonly type: DecoderConfig["type"];
  readonly width: number;
  readonly mlpWidth: number;
  /** Default number of key/value heads; null for the number of query heads. */
  readonly kvHeads: number | null;
  readonly vocabulary: number;
  readonly normEpsilon: number;
  readonly maxPositions: number;
  readonly originalPositions?: number;
  readonly qkvBias: (fields: Fields) => boolean;
  readonly outBias: (fields: Fields) => boolean;
  readonly window: (fields: Fields) => number | null;
}

const never = (): boolean => false;

const LLAMA: ClassTraits = {
  type: "llama",
  width: 4096,
  mlpWidth: 11008,
  kvHeads: null,
  vocabulary: 32000,
  normEpsilon: 1e-6,
  maxPositions: 2048,
  qkvBias: (fields) => fields.boolean("attention_bias", false),
  outBias: (fields) => fields.boolean("attention_bias", false),
  window: () => null,
};

const CLASSES: Readonly<Record<DecoderClass, ClassTraits>> = {
  llama: LLAMA,
  qwen2: {
    ...LLAMA,
    mlpWidth: 22016,
    kvHeads: 32,
    vocabulary: 151936,
    maxPositions: 32768,
    qkvBias: () => true,
    outBias: never,
    window: (fields) =>
      fields.boolean("use_sliding_window", false)
        ? fields.integer("sliding_window", 4096)
        : null,
  },
  internlm2: {
    ...LLAMA,
    type: "internlm2",
    vocabulary: 103168,
    qkvBias: (fields) => fields.boolean("bias", true),
    outBias: (fields) => fields.boolean("bias", true),
  },
  phi3: {
    ...LLAMA,
    type: "phi3",
    width: 3072,
    mlpWidth: 8192,
    vocabulary: 32064,
    normEpsilon: 1e-5,
    maxPositions: 4096,
    originalPositions: 4096,
    qkvBias: never,
    outBias: never,
    window: (fields) =>
      fields.has("sliding_window") ? fields.integer("sliding_window", 1) : null,
  },
};

/**
 * Reads the configuration of a decoder.
 *
 * @throws {TypeError} or {RangeError} naming the field that is wrong, or asks
 *   for something that this implementation lacks
 */
export function parseDecoder(
  fields: Fields,
  decoderClass: DecoderClass,
): DecoderConfig {
  const traits = CLASSES[decoderClass];
  fields.oneOf("hidden_act", { silu: true }, "silu");
  const width = fields.integer("hidden_size", traits.width);
  const heads = fields.integer("num_attention_heads", 32);
  const kvHeads = fields.integer(
    "num_key_value_heads",
    traits.kvHeads ?? heads,
    1,
    heads,
  );
  if (heads % kvHeads !== 0) {
    throw fields.error(
      "num_key_value_heads",
      `must divide num_attention_heads (${heads})`,
      kvHeads,
    );
  }
  // A checkpoint with one would load and compute wrong results.
  if (fields.boolean("mlp_bias", false)) {
    throw fields.error("mlp_bias", "must be false", true);
  }
  if (!fields.has("head_dim") && width % heads !== 0) {
    throw fields.error(
      "hidden_size",
      `must be a multiple of num_attention_heads (${heads}) where there is no head_dim`,
      width,
    );
  }
  const headWidth = fields.multipleOf(2, "head_dim", width / heads);
  const maxPositions = fields.integer(
    "max_position_embeddings",
    traits.maxPositions,
  );
  const window = traits.window(fields);
  return {
    type: traits.type,
    width,
    layers: fields.integer("num_hidden_layers", 32, 1, MAX_LAYERS),
    heads,
    kvHeads,
    headWidth,
    mlpWidth: fields.integer("intermediate_size", traits.mlpWidth),
    vocabulary: fields.integer("vocab_size", traits.vocabulary),
    normEpsilon: fields.positive("rms_norm_eps", traits.normEpsilon),
    qkvBias: traits.qkvBias(fields),
    outBias: traits.outBias(fields),
    rope: parseRope(fields, { ...traits, headWidth, maxPositions }),
    window: window !== null && window < maxPositions ? window : null,
    tiedHead: fields.boolean("tie_word_embeddings", false),
  };
}

/** Names that decoders of all classes share. */
const COMMON_NAMES = {
  "embedding": "embed_tokens.weight",
  "finalNorm": "norm",
  "layers.*.attentionNorm": "layers.*.input_layernorm",
  "layers.*.mlpNorm": "layers.*.post_attention_layernorm",
  "layers.*.out": "layers.*.self_attn.o_proj",
  "layers.*.down": "layers.*.mlp.down_proj",
};

const LLAMA_NAMES = {
  ...COMMON_NAMES,
  "layers.*.query": "layers.*.self_attn.q_proj",
  "layers.*.key": "layers.*.self_attn.k_proj",
  "layers.*.value": "layers.*.self_attn.v_proj",
  "layers.*.gate": "layers.*.mlp.gate_proj",
  "layers.*.up": "layers.*.mlp.up_proj",
};

const QUERY_KEY_VALUE = [
  "layers.*.query",
  "layers.*.key",
  "layers.*.value",
] as const;

/** Names of a decoder's weights in checkpoints, after the prefix of the part. */
export function decoderNames(
  { type, heads: H, kvHeads: K }: DecoderConfig,
): PartNames["names"] {
  switch (type) {
    case "llama":
      return LLAMA_NAMES;
    case "phi3":
      return {
        ...COMMON_NAMES,
        ...fused("layers.*.self_attn.qkv_proj", QUERY_KEY_VALUE, {
          shares: [H, K, K],
        }),
        ...fused("layers.*.mlp.gate_up_proj", [
          "layers.*.gate",
          "layers.*.up",
        ]),
      };
    case "internlm2":
      return {
        "embedding": "tok_embeddings.weight",
        "finalNorm": "norm",
        "layers.*.attentionNorm": "layers.*.attention_norm",
        // Each key head and value head after the query heads that use them.
        ...fused("layers.*.attention.wqkv", QUERY_KEY_VALUE, {
          groups: K,
          shares: [H / K, 1, 1],
        }),
        "layers.*.out": "layers.*.attention.wo",
        "layers.*.mlpNorm": "layers.*.ffn_norm",
        "layers.*.gate": "layers.*.feed_forward.w1",
        "layers.*.up": "layers.*.feed_forward.w3",
        "layers.*.down": "layers.*.feed_forward.w2",
      };
  }
}

/** Stored by old versions of the decoders; the configuration determines it. */
export const ROTARY_FREQUENCIES: RegExp = /\.rotary_emb\.inv_freq$/;

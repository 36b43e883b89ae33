// deno-lint-ignore-file camelcase -- Hugging Face's names

// Configurations as they were published, without what is by default.

type Json = Record<string, unknown>;

/** LLaVA-1.5-7B. */
export const llava7bConfig = {
  model_type: "llava",
  image_token_index: 32000,
  projector_hidden_act: "gelu",
  text_config: {
    model_type: "llama",
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    vocab_size: 32064,
  },
  vision_config: {
    model_type: "clip_vision_model",
    hidden_size: 1024,
    image_size: 336,
    intermediate_size: 4096,
    num_attention_heads: 16,
    num_hidden_layers: 24,
    patch_size: 14,
    projection_dim: 768,
  },
  vision_feature_layer: -2,
  vision_feature_select_strategy: "default",
};

/** The vision tower of InternVL2 up to 8B. */
export const internVitConfig: Json = {
  model_type: "intern_vit_6b",
  hidden_act: "gelu",
  hidden_size: 1024,
  image_size: 448,
  intermediate_size: 4096,
  layer_norm_eps: 1e-6,
  norm_type: "layer_norm",
  num_attention_heads: 16,
  num_hidden_layers: 24,
  patch_size: 14,
  qk_normalization: false,
  qkv_bias: true,
};

/** InternVL2 up to 8B, with a decoder and other fields. */
export function internVl2Config(llm_config: Json, fields: Json = {}): Json {
  return {
    model_type: "internvl_chat",
    downsample_ratio: 0.5,
    force_image_size: 448,
    ps_version: "v2",
    select_layer: -1,
    template: "Hermes-2",
    vision_config: internVitConfig,
    llm_config,
    ...fields,
  };
}

/** The decoder of InternVL2-1B. */
export const qwen2Config: Json = {
  architectures: ["Qwen2ForCausalLM"],
  hidden_size: 896,
  intermediate_size: 4864,
  max_position_embeddings: 32768,
  num_attention_heads: 14,
  num_hidden_layers: 24,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  sliding_window: 32768,
  tie_word_embeddings: false,
  use_sliding_window: false,
  vocab_size: 151655,
};

/** The decoder of InternVL2-2B. */
export const internLm2Config: Json = {
  architectures: ["InternLM2ForCausalLM"],
  bias: false,
  hidden_size: 2048,
  intermediate_size: 8192,
  max_position_embeddings: 32768,
  num_attention_heads: 16,
  num_hidden_layers: 24,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_scaling: { factor: 2, type: "dynamic" },
  rope_theta: 1e6,
  vocab_size: 92553,
};

/** Divisors of Phi-3's frequencies, in short sequences and in long ones: made up. */
export const phi3Factors: Readonly<
  Record<"short" | "long", readonly number[]>
> = {
  short: Array.from({ length: 48 }, (_, i) => 1 + i / 48),
  long: Array.from({ length: 48 }, (_, i) => 1 + i),
};

/** The decoder of InternVL2-4B, but for the divisors. */
export const phi3Config: Json = {
  architectures: ["Phi3ForCausalLM"],
  hidden_size: 3072,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  original_max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_scaling: {
    long_factor: phi3Factors.long,
    short_factor: phi3Factors.short,
    type: "su",
  },
  rope_theta: 1e4,
  sliding_window: 262144,
  vocab_size: 32020,
};

/** InternVL3-1B as transformers writes it. */
export const internVl3Config: Json = {
  model_type: "internvl",
  text_config: {
    model_type: "qwen2",
    ...qwen2Config,
    vocab_size: 151674,
  },
  vision_config: {
    attention_bias: true,
    image_size: [448, 448],
    model_type: "internvl_vision",
    patch_size: [14, 14],
  },
};

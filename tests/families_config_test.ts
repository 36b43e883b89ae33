// deno-lint-ignore-file camelcase -- Hugging Face's names

// Configurations of InternVL in both layouts: what the published files say, and
// what is refused. Defaults are those of the classes that read them.

import { assertEquals, assertThrows } from "@std/assert";
import {
  type DecoderConfig,
  type ModelConfig,
  parseModelConfig,
} from "../core/mod.ts";

type Json = Record<string, unknown>;

const VISION = {
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

/** As published for InternVL2, but for its decoder. */
function internvl2(llm_config: Json, fields: Json = {}): Json {
  return {
    model_type: "internvl_chat",
    downsample_ratio: 0.5,
    force_image_size: 448,
    ps_version: "v2",
    select_layer: -1,
    template: "Hermes-2",
    vision_config: VISION,
    llm_config,
    ...fields,
  };
}

const QWEN2_05B = {
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

const INTERNLM2_18B = {
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

const SHORT = Array.from({ length: 48 }, (_, i) => 1 + i / 48);
const LONG = Array.from({ length: 48 }, (_, i) => 1 + i);
const PHI3_MINI = {
  architectures: ["Phi3ForCausalLM"],
  hidden_size: 3072,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  original_max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_scaling: { long_factor: LONG, short_factor: SHORT, type: "su" },
  rope_theta: 1e4,
  sliding_window: 262144,
  vocab_size: 32020,
};

const EXPECTED: Omit<ModelConfig, "decoder"> = {
  family: "internvl2",
  vision: {
    type: "intern",
    width: 1024,
    layers: 24,
    heads: 16,
    mlpWidth: 4096,
    imageSize: 448,
    patchSize: 14,
    activation: "gelu",
    norm: "layer",
    normEpsilon: 1e-6,
    qkvBias: true,
    qkNormEpsilon: null,
    featureLayers: 24,
    dropClassToken: true,
  },
  projector: { merge: 2, norm: true, activation: "gelu" },
  imageToken: "<IMG_CONTEXT>",
  visionTokens: 256,
};

const DYNAMIC = { type: "dynamic", factor: 2, positions: 32768 } as const;

const DECODERS: Readonly<Record<string, [Json, DecoderConfig]>> = {
  "1B": [QWEN2_05B, {
    type: "llama",
    width: 896,
    layers: 24,
    heads: 14,
    kvHeads: 2,
    headWidth: 64,
    mlpWidth: 4864,
    vocabulary: 151655,
    normEpsilon: 1e-6,
    qkvBias: true,
    outBias: false,
    rope: { theta: 1e6, scaling: null },
    window: null,
    tiedHead: false,
  }],
  "2B": [INTERNLM2_18B, {
    type: "internlm2",
    width: 2048,
    layers: 24,
    heads: 16,
    kvHeads: 8,
    headWidth: 128,
    mlpWidth: 8192,
    vocabulary: 92553,
    normEpsilon: 1e-5,
    qkvBias: false,
    outBias: false,
    rope: { theta: 1e6, scaling: DYNAMIC },
    window: null,
    tiedHead: false,
  }],
  "4B": [PHI3_MINI, {
    type: "phi3",
    width: 3072,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headWidth: 96,
    mlpWidth: 8192,
    vocabulary: 32020,
    normEpsilon: 1e-5,
    qkvBias: false,
    outBias: false,
    rope: {
      theta: 1e4,
      scaling: {
        type: "longrope",
        short: SHORT,
        long: LONG,
        positions: 4096,
        attentionFactor: Math.sqrt(1 + Math.log(32) / Math.log(4096)),
      },
    },
    window: null,
    tiedHead: false,
  }],
};

for (const [size, [llm, decoder]] of Object.entries(DECODERS)) {
  Deno.test(`parseModelConfig() reads InternVL2-${size}`, () => {
    assertEquals(parseModelConfig(internvl2(llm)), { ...EXPECTED, decoder });
  });
}

/** As transformers writes it for InternVL3-1B, without what is by default. */
const INTERNVL3_1B = {
  model_type: "internvl",
  text_config: {
    model_type: "qwen2",
    ...QWEN2_05B,
    vocab_size: 151674,
  },
  vision_config: {
    attention_bias: true,
    image_size: [448, 448],
    model_type: "internvl_vision",
    patch_size: [14, 14],
  },
};

Deno.test("parseModelConfig() reads InternVL in transformers' layout", () => {
  assertEquals(parseModelConfig(INTERNVL3_1B), {
    ...EXPECTED,
    family: "internvl",
    decoder: {
      ...DECODERS["1B"][1],
      vocabulary: 151674,
      tiedHead: true, // by default, whatever text_config says
    },
    imageToken: 151667,
  });
});

Deno.test("parseModelConfig() knows what InternViT may have besides", () => {
  const original = parseModelConfig(internvl2(QWEN2_05B, {
    select_layer: -4,
    vision_config: {
      ...VISION,
      norm_type: "rms_norm",
      layer_norm_eps: 1e-5,
      qk_normalization: true,
      qkv_bias: false,
    },
  }));
  const expected = {
    ...EXPECTED.vision,
    norm: "rms",
    normEpsilon: 1e-5,
    qkvBias: false,
    qkNormEpsilon: 1e-5,
    featureLayers: 21,
  } as const;
  assertEquals(original.vision, expected);
  const native = parseModelConfig({
    ...INTERNVL3_1B,
    vision_feature_layer: -4,
    vision_config: {
      norm_type: "rms_norm",
      layer_norm_eps: 1e-5,
      use_qk_norm: true,
    },
  });
  // transformers gives these norms an ε of their own.
  assertEquals(native.vision, { ...expected, qkNormEpsilon: 1e-6 });
});

Deno.test("parseModelConfig() knows where decoders have biases", () => {
  const biases = (llm: Json) => {
    const { qkvBias, outBias } = parseModelConfig(internvl2(llm)).decoder;
    return [qkvBias, outBias];
  };
  assertEquals(biases({ ...INTERNLM2_18B, bias: null }), [true, true]);
  assertEquals(biases({ ...QWEN2_05B, attention_bias: false }), [true, false]);
  assertEquals(biases({ architectures: ["LlamaForCausalLM"] }), [false, false]);
});

Deno.test("parseModelConfig() takes a window for one when it is shorter than the sequences that are meant", () => {
  const window = (llm: Json) => parseModelConfig(internvl2(llm)).decoder.window;
  const short = { ...PHI3_MINI, sliding_window: 2047 };
  assertEquals(window(short), 2047);
  assertEquals(window({ ...PHI3_MINI, sliding_window: 131072 }), null);
  assertEquals(window({ ...PHI3_MINI, sliding_window: null }), null);
  assertEquals(window({ ...QWEN2_05B, sliding_window: 99 }), null);
  assertEquals(
    window({ ...QWEN2_05B, sliding_window: 99, use_sliding_window: true }),
    99,
  );
});

Deno.test("parseModelConfig() reads every scaling of the rotary frequencies", () => {
  const scaling = (rope_scaling: Json) =>
    parseModelConfig(internvl2({
      architectures: ["LlamaForCausalLM"],
      head_dim: 4,
      max_position_embeddings: 64,
      rope_scaling,
    })).decoder.rope.scaling;
  assertEquals(scaling({ rope_type: "default" }), null);
  assertEquals(scaling({ type: "linear", factor: 3 }), {
    type: "linear",
    factor: 3,
  });
  assertEquals(scaling({ rope_type: "dynamic", type: "x", factor: 3 }), {
    type: "dynamic",
    factor: 3,
    positions: 64,
  });
  const longrope = {
    rope_type: "longrope",
    short_factor: [1, 2],
    long_factor: [3, 4],
    original_max_position_embeddings: 16,
  };
  const parsed = { type: "longrope", short: [1, 2], long: [3, 4] } as const;
  assertEquals(scaling(longrope), {
    ...parsed,
    positions: 16,
    attentionFactor: Math.sqrt(1.5),
  });
  assertEquals(scaling({ ...longrope, factor: 0.5 }), {
    ...parsed,
    positions: 16,
    attentionFactor: 1,
  });
  assertEquals(scaling({ ...longrope, attention_factor: 2 }), {
    ...parsed,
    positions: 16,
    attentionFactor: 2,
  });
  assertEquals(
    scaling({
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
    }),
    {
      type: "llama3",
      factor: 8,
      lowFactor: 1,
      highFactor: 4,
      positions: 64,
    },
  );
});

Deno.test("parseModelConfig() refuses InternVL that would run and be wrong", () => {
  const vision = (fields: Json) => ({
    vision_config: { ...VISION, ...fields },
  });
  const llm = (fields: Json) => ({ llm_config: { ...QWEN2_05B, ...fields } });
  const cases: [fields: Json, message: string][] = [
    [{ ps_version: null }, 'ps_version must be one of "v2"'],
    [{ downsample_ratio: 0.25 }, "downsample_ratio must be 0.5"],
    [
      { force_image_size: 224 },
      "force_image_size must be vision_config.image_size (448), for positions are not interpolated",
    ],
    [{ select_layer: 25 }, "select_layer must be an integer in [-25, 24]"],
    [
      vision({ patch_size: 64 }),
      "vision_config.image_size must be an even number of patches of 64 pixels",
    ],
    [
      vision({ model_type: "siglip_vision_model" }),
      'vision_config.model_type must be one of "intern_vit_6b"',
    ],
    [
      vision({ norm_type: "batch_norm" }),
      'vision_config.norm_type must be one of "layer_norm", "rms_norm"',
    ],
    [
      llm({ architectures: ["Gemma2ForCausalLM"] }),
      'llm_config.architectures must be one of "Qwen2ForCausalLM", "InternLM2ForCausalLM", "Phi3ForCausalLM", "LlamaForCausalLM"',
    ],
    [
      llm({ rope_pos_id_version: "v2pe" }),
      'llm_config.rope_pos_id_version must be one of "default"',
    ],
    [
      llm({ rope_scaling: { type: "yarn", factor: 2 } }),
      "llm_config.rope_scaling.type must be one of ",
    ],
    [
      llm({ rope_scaling: { type: "linear" } }),
      "llm_config.rope_scaling.factor must be a positive number: current value is missing",
    ],
    [
      llm({
        head_dim: 4,
        rope_scaling: {
          type: "longrope",
          short_factor: [1, 0],
          long_factor: [1, 1],
        },
      }),
      "llm_config.rope_scaling.short_factor must hold positive numbers: current value is [1,0]",
    ],
    [
      llm({
        rope_scaling: {
          rope_type: "llama3",
          factor: 8,
          low_freq_factor: 4,
          high_freq_factor: 4,
        },
      }),
      "llm_config.rope_scaling.high_freq_factor must be above low_freq_factor (4): current value is 4",
    ],
    [
      { llm_config: { ...PHI3_MINI, rope_scaling: { type: "su" } } },
      "llm_config.rope_scaling.short_factor must be 48 numbers: current value is missing",
    ],
  ];
  for (const [fields, message] of cases) {
    assertThrows(
      () => parseModelConfig(internvl2(QWEN2_05B, fields)),
      RangeError,
      `Cannot read config.json as ${message}`,
    );
  }
  const native: [fields: Json, message: string][] = [
    [
      { vision_feature_select_strategy: "full" },
      'vision_feature_select_strategy must be one of "default"',
    ],
    [
      { vision_config: { use_mean_pooling: false } },
      "vision_config.use_mean_pooling must be true",
    ],
    [
      { vision_config: { image_size: [448, 224] } },
      "vision_config.image_size must be an integer >= 1, or two equal",
    ],
    [
      { text_config: { model_type: "gpt_oss" } },
      'text_config.model_type must be one of "qwen2", "llama"',
    ],
  ];
  for (const [fields, message] of native) {
    assertThrows(
      () => parseModelConfig({ ...INTERNVL3_1B, ...fields }),
      RangeError,
      `Cannot read config.json as ${message}`,
    );
  }
});

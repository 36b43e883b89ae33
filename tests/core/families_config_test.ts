// deno-lint-ignore-file camelcase -- Hugging Face's names

// Configurations of InternVL in both layouts: what the published files say.
// Defaults are those of the classes that read them.

import { assertEquals } from "@std/assert";
import {
  type DecoderConfig,
  type ModelConfig,
  parseModelConfig,
} from "../../core/mod.ts";
import {
  internLm2Config,
  internVitConfig,
  internVl2Config,
  internVl3Config,
  phi3Config,
  phi3Factors,
  qwen2Config,
} from "../_published_configs.ts";

type Json = Record<string, unknown>;

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
  "1B": [qwen2Config, {
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
  "2B": [internLm2Config, {
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
  "4B": [phi3Config, {
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
        short: phi3Factors.short,
        long: phi3Factors.long,
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
    assertEquals(parseModelConfig(internVl2Config(llm)), {
      ...EXPECTED,
      decoder,
    });
  });
}

Deno.test("parseModelConfig() reads InternVL in transformers' layout", () => {
  assertEquals(parseModelConfig(internVl3Config), {
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
  const original = parseModelConfig(internVl2Config(qwen2Config, {
    select_layer: -4,
    vision_config: {
      ...internVitConfig,
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
    ...internVl3Config,
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
    const { qkvBias, outBias } = parseModelConfig(internVl2Config(llm)).decoder;
    return [qkvBias, outBias];
  };
  assertEquals(biases({ ...internLm2Config, bias: null }), [true, true]);
  assertEquals(biases({ ...qwen2Config, attention_bias: false }), [
    true,
    false,
  ]);
  assertEquals(biases({ architectures: ["LlamaForCausalLM"] }), [false, false]);
});

Deno.test("parseModelConfig() takes a window for one when it is shorter than the sequences that are meant", () => {
  const window = (llm: Json) =>
    parseModelConfig(internVl2Config(llm)).decoder.window;
  const short = { ...phi3Config, sliding_window: 2047 };
  assertEquals(window(short), 2047);
  assertEquals(window({ ...phi3Config, sliding_window: 131072 }), null);
  assertEquals(window({ ...phi3Config, sliding_window: null }), null);
  assertEquals(window({ ...qwen2Config, sliding_window: 99 }), null);
  assertEquals(
    window({ ...qwen2Config, sliding_window: 99, use_sliding_window: true }),
    99,
  );
});

Deno.test("parseModelConfig() reads every scaling of the rotary frequencies", () => {
  const scaling = (rope_scaling: Json) =>
    parseModelConfig(internVl2Config({
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

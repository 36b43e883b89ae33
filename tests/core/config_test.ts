// deno-lint-ignore-file camelcase -- Hugging Face's names

// Defaults in these tests are those that transformers 5 prints for the same
// config.json.

import { assertEquals, assertThrows } from "@std/assert";
import { type ModelConfig, parseModelConfig } from "../../core/mod.ts";
import { llava7bConfig } from "../_published_configs.ts";

const LLAVA_7B_PARSED: ModelConfig = {
  family: "llava",
  vision: {
    type: "clip",
    width: 1024,
    layers: 24,
    heads: 16,
    mlpWidth: 4096,
    imageSize: 336,
    patchSize: 14,
    activation: "quick_gelu",
    norm: "layer",
    normEpsilon: 1e-5,
    qkvBias: true,
    qkNormEpsilon: null,
    featureLayers: 23,
    dropClassToken: true,
  },
  projector: { merge: 1, norm: false, activation: "gelu" },
  decoder: {
    type: "llama",
    width: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headWidth: 128,
    mlpWidth: 11008,
    vocabulary: 32064,
    normEpsilon: 1e-5,
    qkvBias: false,
    outBias: false,
    rope: { theta: 10000, scaling: null },
    window: null,
    tiedHead: false,
  },
  imageToken: 32000,
  visionTokens: 576,
};

/** LLaVA-1.5-7B with some fields changed, named by their paths. */
function change(fields: Record<string, unknown>): unknown {
  const config = structuredClone<Record<string, unknown>>(llava7bConfig);
  for (const [path, value] of Object.entries(fields)) {
    const names = path.split(".");
    let part = config;
    for (const name of names.slice(0, -1)) {
      part = (part[name] ??= {}) as Record<string, unknown>;
    }
    part[names.at(-1)!] = value;
  }
  return config;
}

Deno.test("parseModelConfig() fills a published config with the classes' defaults", () => {
  assertEquals(parseModelConfig(llava7bConfig), LLAVA_7B_PARSED);
});

Deno.test("parseModelConfig() knows the default of every field", () => {
  const minimal = {
    model_type: "llava",
    text_config: { model_type: "llama" },
    vision_config: { model_type: "clip_vision_model" },
  };
  const expected: ModelConfig = {
    ...LLAVA_7B_PARSED,
    vision: {
      ...LLAVA_7B_PARSED.vision,
      width: 768,
      layers: 12,
      heads: 12,
      mlpWidth: 3072,
      imageSize: 224,
      patchSize: 32,
      featureLayers: 11,
    },
    decoder: {
      ...LLAVA_7B_PARSED.decoder,
      vocabulary: 32000,
      normEpsilon: 1e-6,
    },
    visionTokens: 49,
  };
  assertEquals(parseModelConfig(minimal), expected);
});

Deno.test("parseModelConfig() reads every field of the decoder", () => {
  const text_config = {
    hidden_size: 96,
    num_hidden_layers: 3,
    num_attention_heads: 8,
    num_key_value_heads: 2,
    head_dim: 10,
    intermediate_size: 200,
    vocab_size: 50,
    rms_norm_eps: 1e-4,
    rope_theta: 5e5,
    attention_bias: true,
    tie_word_embeddings: true,
  };
  assertEquals(parseModelConfig(change({ text_config })).decoder, {
    type: "llama",
    width: 96,
    layers: 3,
    heads: 8,
    kvHeads: 2,
    headWidth: 10,
    mlpWidth: 200,
    vocabulary: 50,
    normEpsilon: 1e-4,
    qkvBias: true,
    outBias: true,
    rope: { theta: 5e5, scaling: null },
    window: null,
    tiedHead: true,
  });
});

Deno.test("parseModelConfig() reads rope_theta in both layouts", () => {
  const theta = (text_config: Record<string, unknown>) =>
    parseModelConfig(change({ text_config })).decoder.rope.theta;
  assertEquals(theta({ rope_theta: 5e5 }), 5e5); // before transformers 5
  assertEquals(theta({ rope_theta: 5e5, rope_scaling: null }), 5e5);
  assertEquals(
    theta({ rope_parameters: { rope_theta: 3e5, rope_type: "default" } }),
    3e5,
  );
  assertEquals(theta({ rope_parameters: {}, rope_theta: 2e5 }), 2e5);
});

Deno.test("parseModelConfig() ties the head when either place says so", () => {
  const tied = (top: boolean, text: boolean) =>
    parseModelConfig(change({
      "tie_word_embeddings": top,
      "text_config.tie_word_embeddings": text,
    })).decoder.tiedHead;
  assertEquals(tied(false, false), false);
  assertEquals(tied(true, false), true);
  assertEquals(tied(false, true), true);
});

Deno.test("parseModelConfig() counts feature layers as transformers counts hidden states", () => {
  // 24 layers have 25 hidden states: 0 enters the first layer, 24 (−1) leaves
  // the last.
  const cases: [layer: number, featureLayers: number][] = [
    [-1, 24],
    [-2, 23],
    [-25, 0],
    [0, 0],
    [1, 1],
    [24, 24],
  ];
  for (const [layer, featureLayers] of cases) {
    const config = parseModelConfig(change({ vision_feature_layer: layer }));
    assertEquals(config.vision.featureLayers, featureLayers);
  }
});

Deno.test("parseModelConfig() counts vision tokens: whole patches, and the class token if it stays", () => {
  const count = (strategy: string, imageSize: number) =>
    parseModelConfig(change({
      "vision_feature_select_strategy": strategy,
      "vision_config.image_size": imageSize,
    })).visionTokens;
  assertEquals(count("default", 336), 576);
  assertEquals(count("full", 336), 577);
  assertEquals(count("default", 349), 576); // 24 patches and 13 pixels
});

Deno.test("parseModelConfig() knows the names of activations", () => {
  const names = {
    gelu: "gelu",
    gelu_pytorch_tanh: "gelu_tanh",
    gelu_new: "gelu_tanh",
    quick_gelu: "quick_gelu",
  };
  for (const [name, activation] of Object.entries(names)) {
    const config = parseModelConfig(change({
      "projector_hidden_act": name,
      "vision_config.hidden_act": name,
    }));
    assertEquals(config.projector.activation, activation);
    assertEquals(config.vision.activation, activation);
  }
});

Deno.test("parseModelConfig() names file, field, requirement and value", () => {
  const integer = "must be an integer >= 1";
  const activation =
    'must be one of "gelu", "gelu_pytorch_tanh", "gelu_new", "quick_gelu"';
  const layer = "must be an integer in [-25, 24]";
  const families =
    'must be one of "llava" (LLaVA-1.5), "internvl_chat" (InternVL2 and later as first published), "internvl" (InternVL3 and others as transformers saves them)';
  const rope =
    'must be one of "default", "linear", "dynamic", "longrope", "su", "llama3"';
  const cases: [field: string, value: unknown, requirement: string][] = [
    ["model_type", "qwen2_vl", families],
    ["projector_hidden_act", "relu", activation],
    ["image_token_index", -200, "must be an integer >= 0"],
    ["vision_feature_layer", 25, layer],
    ["vision_feature_layer", [-2, -5], layer],
    [
      "vision_feature_select_strategy",
      "cls",
      'must be one of "default", "full"',
    ],
    ["multimodal_projector_bias", false, "must be true"],
    ["tie_word_embeddings", 1, "must be true or false"],
    [
      "vision_config.model_type",
      "siglip_vision_model",
      'must be one of "clip_vision_model"',
    ],
    ["vision_config.hidden_size", 1000, "must be a multiple of 16"],
    ["vision_config.patch_size", 0, "must be an integer in [1, 336]"],
    ["vision_config.hidden_act", "silu", activation],
    ["vision_config.layer_norm_eps", 0, "must be a positive number"],
    ["text_config.model_type", "mistral", 'must be one of "llama"'],
    ["text_config.hidden_act", "gelu", 'must be one of "silu"'],
    ["text_config.hidden_size", "4096", integer],
    ["text_config.vocab_size", 1.5, integer],
    [
      "text_config.num_key_value_heads",
      5,
      "must divide num_attention_heads (32)",
    ],
    [
      "text_config.num_key_value_heads",
      64,
      "must be an integer in [1, 32]",
    ],
    ["text_config.head_dim", 7, "must be a multiple of 2"],
    ["text_config.rope_parameters.rope_type", "yarn", rope],
    ["text_config.rope_parameters.partial_rotary_factor", 0.5, "must be 1"],
    ["text_config.rope_scaling.rope_type", "mrope", rope],
    ["text_config.rope_scaling.type", "yarn", rope],
    ["text_config.mlp_bias", true, "must be false"],
  ];
  for (const [field, value, requirement] of cases) {
    const error = assertThrows(
      () => parseModelConfig(change({ [field]: value }), "a/config.json"),
      RangeError,
    );
    assertEquals(
      error.message,
      `Cannot read a/config.json as ${field} ${requirement}: current value is ${
        JSON.stringify(value)
      }`,
    );
  }
  assertThrows(
    () => parseModelConfig({}),
    RangeError,
    'Cannot read config.json as model_type must be one of "llava" (LLaVA-1.5), "internvl_chat" (InternVL2 and later as first published), "internvl" (InternVL3 and others as transformers saves them): current value is missing',
  );
});

Deno.test("parseModelConfig() refuses what is not an object, in the file or in a part of it", () => {
  assertThrows(
    () => parseModelConfig([]),
    TypeError,
    "Cannot read config.json as it must be a JSON object: current value is []",
  );
  for (
    const part of [
      "text_config",
      "vision_config",
      "text_config.rope_parameters",
    ]
  ) {
    assertThrows(
      () => parseModelConfig(change({ [part]: "default" })),
      TypeError,
      `Cannot read config.json as ${part} must be a JSON object: current value is "default"`,
    );
  }
});

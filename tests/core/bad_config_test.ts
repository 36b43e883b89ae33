// Bad configurations, and the sentence that each gets. What else is refused, and
// where: io/bad_input_test.ts.

import { parseModelConfig } from "../../core/mod.ts";
import { testBadInputs } from "../_bad_input.ts";

const CONFIG = {
  llava: {
    model_type: "llava",
    text_config: { model_type: "llama", rope_parameters: {} },
    vision_config: { model_type: "clip_vision_model" },
  },
  internvl: { model_type: "internvl", text_config: {}, vision_config: {} },
};

/** Reads a configuration with one field changed, which a path names. */
function configWith(path: string, value: unknown, base: unknown): void {
  const config = structuredClone(base) as Record<string, unknown>;
  const names = path.split(".");
  let part = config;
  for (const name of names.slice(0, -1)) {
    part = (part[name] ??= {}) as Record<string, unknown>;
  }
  part[names.at(-1)!] = value;
  parseModelConfig(config, "a/config.json");
}

const FIELDS: readonly [path: string, value: unknown, says: string][] = [
  [
    "model_type",
    ["llava"],
    'model_type must be one of "llava" (LLaVA-1.5), "internvl_chat" (InternVL2 and later as first published), "internvl" (InternVL3 and others as transformers saves them): current value is ["llava"]',
  ],
  [
    "text_config.num_attention_heads",
    7,
    "text_config.hidden_size must be a multiple of num_attention_heads (7) where there is no head_dim: current value is 4096",
  ],
  [
    "text_config.num_key_value_heads",
    0,
    "text_config.num_key_value_heads must be an integer in [1, 32]: current value is 0",
  ],
  [
    "text_config.num_hidden_layers",
    0,
    "text_config.num_hidden_layers must be an integer in [1, 1024]: current value is 0",
  ],
  [
    "vision_config.num_hidden_layers",
    0,
    "vision_config.num_hidden_layers must be an integer in [1, 1024]: current value is 0",
  ],
  [
    "text_config.intermediate_size",
    -4,
    "text_config.intermediate_size must be an integer >= 1: current value is -4",
  ],
  [
    "text_config.hidden_size",
    1e12,
    "text_config.hidden_size must be an integer in [1, 2147483648]: current value is 1000000000000",
  ],
  [
    "text_config.vocab_size",
    "31",
    'text_config.vocab_size must be an integer >= 1: current value is "31"',
  ],
  [
    "text_config.max_position_embeddings",
    -1,
    "text_config.max_position_embeddings must be an integer >= 1: current value is -1",
  ],
  [
    "text_config.head_dim",
    0,
    "text_config.head_dim must be an integer >= 1: current value is 0",
  ],
  [
    "text_config.rms_norm_eps",
    "1e-5",
    'text_config.rms_norm_eps must be a positive number: current value is "1e-5"',
  ],
  [
    "text_config.tie_word_embeddings",
    "false",
    'text_config.tie_word_embeddings must be true or false: current value is "false"',
  ],
  [
    "vision_config.patch_size",
    225,
    "vision_config.patch_size must be an integer in [1, 224]: current value is 225",
  ],
  [
    "vision_config.image_size",
    [224, 224],
    "vision_config.image_size must be an integer >= 1: current value is [224,224]",
  ],
  [
    "vision_feature_layer",
    "-2",
    'vision_feature_layer must be an integer in [-13, 12]: current value is "-2"',
  ],
  [
    "text_config.rope_theta",
    JSON.parse("1e999"),
    "text_config.rope_theta must be a positive number: current value is Infinity",
  ],
  [
    "text_config.rope_scaling",
    { type: "dynamic" },
    "text_config.rope_scaling.factor must be a positive number: current value is missing",
  ],
  [
    "text_config.rope_scaling",
    { type: "longrope", short_factor: [1], long_factor: [1] },
    "text_config.rope_scaling.short_factor must be 64 numbers: current value is [1]",
  ],
];

testBadInputs(
  "parseModelConfig()",
  FIELDS.map(([path, value, says]) => ({
    given: `${path} of ${JSON.stringify(value)}`,
    to: () => configWith(path, value, CONFIG.llava),
    error: RangeError,
    says: `Cannot read a/config.json as ${says}`,
  })),
);

testBadInputs("parseModelConfig()", [
  {
    given: "a list of rotary settings",
    to: () => configWith("text_config.rope_scaling", [], CONFIG.llava),
    error: TypeError,
    says:
      "Cannot read a/config.json as text_config.rope_scaling must be a JSON object: current value is []",
  },
  {
    given: "patches larger than the image, which make no vision token",
    to: () => configWith("vision_config.patch_size", 449, CONFIG.internvl),
    error: RangeError,
    says:
      "Cannot read a/config.json as vision_config.image_size must be an even number of patches of 449 pixels: current value is 448",
  },
]);

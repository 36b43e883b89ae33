// Configurations of InternVL, in both layouts, that are refused.

import { assertThrows } from "@std/assert";
import { parseModelConfig } from "../../core/mod.ts";
import {
  internVitConfig,
  internVl2Config,
  internVl3Config,
  phi3Config,
  qwen2Config,
} from "../_published_configs.ts";

type Json = Record<string, unknown>;

Deno.test("parseModelConfig() refuses InternVL that would run and be wrong", () => {
  const vision = (fields: Json) => ({
    vision_config: { ...internVitConfig, ...fields },
  });
  const llm = (fields: Json) => ({ llm_config: { ...qwen2Config, ...fields } });
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
      { llm_config: { ...phi3Config, rope_scaling: { type: "su" } } },
      "llm_config.rope_scaling.short_factor must be 48 numbers: current value is missing",
    ],
  ];
  for (const [fields, message] of cases) {
    assertThrows(
      () => parseModelConfig(internVl2Config(qwen2Config, fields)),
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
      () => parseModelConfig({ ...internVl3Config, ...fields }),
      RangeError,
      `Cannot read config.json as ${message}`,
    );
  }
});

// Generation of families on the GPU backend: one model of each decoder, for an
// adapter in software takes its time.

import { testGenerated } from "../_generated_families.ts";
import { gpu } from "../_gpu.ts";

for (
  const name of [
    "internvl_b",
    "internvl2_qwen2_a",
    "internvl2_internlm2_a",
    "internvl2_phi3_b",
  ] as const
) testGenerated(gpu, name);

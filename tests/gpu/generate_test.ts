// Generation on the GPU backend.

import { testGeneration } from "../_generation.ts";
import { gpu } from "../_gpu.ts";

await testGeneration(gpu);

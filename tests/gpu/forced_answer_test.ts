// Teacher forcing on the GPU backend.

import { testForcedAnswers } from "../_forced_answer.ts";
import { gpu } from "../_gpu.ts";

await testForcedAnswers(gpu);

// Ranking rules against transformers on the GPU backend.

import { gpu } from "../_gpu.ts";
import { testRankings } from "../_rankings.ts";

await testRankings(gpu);

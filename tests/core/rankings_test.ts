// Ranking rules against transformers on the backends that need no device.

import { CPU_BACKENDS } from "../_cpu.ts";
import { testRankings } from "../_rankings.ts";
import { reference } from "../_reference.ts";

for (const backend of [reference, ...CPU_BACKENDS]) await testRankings(backend);

// The operations of the CPU backend against the reference: all but linear
// (cpu/linear_test.ts) and attention (cpu/attention_test.ts).

import { CPU_BACKENDS, RUNS } from "../_cpu.ts";
import { testNorms } from "../_operations/norms.ts";
import { testRope } from "../_operations/rope.ts";
import { testRows } from "../_operations/rows.ts";
import { testTopK } from "../_operations/top_k.ts";

for (const backend of CPU_BACKENDS) {
  testNorms(backend, RUNS);
  testRope(backend, RUNS);
  testRows(backend, RUNS);
  testTopK(backend, RUNS);
}

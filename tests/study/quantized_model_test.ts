// models/tiny with weights in fewer bits: what backends compute with the same
// weights, and how many answers stay what they are in 32 bits.

import { assert } from "@std/assert";
import { loadModel } from "../../study/load.ts";
import { loadQuestions } from "../../study/questions.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { logitsOn, testQuantized } from "../_quantized_model.ts";

const questions = await loadQuestions(
  await loadModel(null, { device: "cpu" }),
  { count: 64 },
  "heldout",
  0,
);

const best = (logits: Float32Array): number =>
  logits.indexOf(Math.max(...logits));

for (const weightType of ["f16", "int8", "int4"] as const) {
  testQuantized(createCpuBackend({ weightType }), weightType);
}

/**
 * How many of 64 answers must stay. Found on the CPU backend: 64 in 16 and in 8
 * bits, 63 in 4 bits. The logits that decide are far apart, but not in all.
 */
const LEAST = { f16: 64, int8: 63, int4: 60 } as const;

Deno.test("models/tiny gives nearly all answers that it gives in 32 bits", async () => {
  const exact = (await logitsOn(createCpuBackend(), questions)).map(best);
  for (const weightType of ["f16", "int8", "int4"] as const) {
    const logits = await logitsOn(createCpuBackend({ weightType }), questions);
    const same = logits.filter((row, i) => best(row) === exact[i]).length;
    assert(same >= LEAST[weightType], `${weightType}: ${same} of 64`);
  }
});

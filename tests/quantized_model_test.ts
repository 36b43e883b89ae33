// models/tiny with weights in fewer bits: what backends compute with the same
// weights, and how many answers stay what they are in 32 bits.

import { assert } from "@std/assert";
import { loadModel } from "../study/load.ts";
import { loadQuestions } from "../cli/questions.ts";
import {
  type Backend,
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  fullSchedule,
  predictNextToken,
  type Prompt,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { createGpuBackend } from "../gpu/mod.ts";
import { assertClose } from "./_compare.ts";
import { device } from "./_gpu.ts";
import { loadTiny } from "./_tiny.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const questions = await loadQuestions(
  await loadModel(null, { device: "cpu" }),
  { count: 64 },
  "heldout",
  0,
);

/** The logits of the first questions. */
async function logitsOn(
  backend: Backend,
  count: number,
): Promise<Float32Array[]> {
  const model = await loadTiny(backend);
  const all: Float32Array[] = [];
  for (const { image, prompt } of questions.samples.slice(0, count)) {
    const logits = backend.scope(() => logitsOf(model, image, prompt));
    all.push(await backend.read(logits));
    backend.free([logits]);
  }
  return all;
}

function logitsOf(
  model: VisionLanguageModel,
  image: number,
  prompt: Prompt,
): Tensor {
  const { decoder: { layers }, visionTokens } = model.config;
  const tokens = embedTiles(model, [questions.images[image]]);
  const state = embedPrompts(model, tokens, [prompt]);
  return predictNextToken(model, state, fullSchedule(layers, visionTokens));
}

const best = (logits: Float32Array): number =>
  logits.indexOf(Math.max(...logits));

for (const weightType of ["f16", "int8", "int4"] as const) {
  const backends = [
    createCpuBackend({ weightType }),
    createGpuBackend(device, { weightType }),
  ];
  const oracle = createReferenceBackend({ weightType });

  for (const backend of backends) {
    Deno.test(`models/tiny computes what the reference with such weights does (${backend.name})`, async () => {
      const [actual] = await logitsOn(backend, 1);
      const [expected] = await logitsOn(oracle, 1);
      assertClose(actual, expected, F32_TOLERANCES.logits, "logits");
    });
  }
}

/**
 * How many of 64 answers must stay. Found on the CPU backend: 64 in 16 and in 8
 * bits, 63 in 4 bits. The logits that decide are far apart, but not in all.
 */
const LEAST = { f16: 64, int8: 63, int4: 60 } as const;

Deno.test("models/tiny gives nearly all answers that it gives in 32 bits", async () => {
  const exact = (await logitsOn(createCpuBackend(), 64)).map(best);
  for (const weightType of ["f16", "int8", "int4"] as const) {
    const logits = await logitsOn(createCpuBackend({ weightType }), 64);
    const same = logits.filter((row, i) => best(row) === exact[i]).length;
    assert(same >= LEAST[weightType], `${weightType}: ${same} of 64`);
  }
});

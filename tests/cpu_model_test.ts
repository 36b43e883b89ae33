// The whole model on the CPU backend against the reference backend: hidden
// states and scores of every layer, kept sets, logits and answers, with all
// vision tokens and with fewer.

import { assertEquals } from "@std/assert";
import {
  type Backend,
  embedImages,
  embedPrompts,
  fromKeepCounts,
  type LlavaModel,
  loadLlava,
  nextTokenLogits,
  runDecoder,
  type Schedule,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";
import { loadModel, loadQuestions } from "../cli/load.ts";
import { assertClose } from "./_compare.ts";
import { CPU_BACKENDS } from "./_cpu.ts";
import { enter, keepAll, loadLlavaFixture, trace } from "./_llava.ts";
import { reference } from "./_reference.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { hidden, logits } = F32_TOLERANCES;
const tiny = await loadModel(null);
const onTiny = (backend: Backend): Promise<LlavaModel> =>
  loadLlava(backend, tiny.source);
const oracle = await onTiny(reference);
const questions = await loadQuestions(tiny, { count: 6 }, "heldout", 0);
const N = oracle.config.visionTokens;

const SCHEDULES: Readonly<Record<string, Schedule>> = {
  "all vision tokens": keepAll(oracle),
  "fewer and fewer": fromKeepCounts([144, 144, 100, 71, 30, 30, 7, 1], N),
  "none from layer 3 on": fromKeepCounts([144, 144, 80, 0, 0, 0, 0, 0], N),
};

for (const backend of CPU_BACKENDS) {
  const model = await onTiny(backend);
  for (const [name, schedule] of Object.entries(SCHEDULES)) {
    Deno.test(`models/tiny computes what the reference does, ${name} (${backend.name})`, async () => {
      for (const { image, prompt, answer } of questions.samples.slice(0, 3)) {
        const run = async (model: LlavaModel) => {
          const tokens = embedImages(model, [questions.images[image]]);
          const state = embedPrompts(model, tokens, [prompt]);
          return {
            tokens: await model.backend.read(tokens),
            ...await trace(model, state, schedule),
          };
        };
        const expected = await run(oracle);
        const actual = await run(model);
        assertClose(actual.tokens, expected.tokens, hidden, "vision tokens");
        for (const [i, layer] of actual.layers.entries()) {
          const wanted = expected.layers[i];
          // Original position ids say which tokens are there.
          assertEquals(layer.positions, wanted.positions, `layer ${i}`);
          assertClose(layer.hidden, wanted.hidden, hidden, `layer ${i}`);
          assertClose(layer.scores, wanted.scores, hidden, `scores of ${i}`);
        }
        assertClose(actual.logits, expected.logits, logits, "logits");
        assertEquals(best(actual.logits), best(expected.logits));
        if (name === "all vision tokens") {
          assertEquals(best(actual.logits), answer);
        }
      }
    });
  }
}

function best(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits));
}

Deno.test("a sample's logits have the same bits in every batch", async () => {
  const model = await onTiny(createCpuBackend());
  const { backend } = model;
  const { images, samples } = questions;
  const length = Math.min(...samples.map(({ prompt }) => prompt.after.length));

  /** Logits of some samples as one batch, a row for each. */
  async function logitsOf(batch: typeof samples): Promise<number[][]> {
    const tokens = embedImages(model, batch.map(({ image }) => images[image]));
    // Cut to one length, as a batch must be.
    const prompts = batch.map(({ prompt: { before, after } }) => ({
      before,
      after: after.slice(-length),
    }));
    const state = embedPrompts(model, tokens, prompts);
    const last = runDecoder(model, state, SCHEDULES["fewer and fewer"]);
    const values = [...await backend.read(nextTokenLogits(model, last))];
    const V = values.length / batch.length;
    return batch.map((_, b) => values.slice(b * V, (b + 1) * V));
  }

  const alone = await Promise.all(samples.map((sample) => logitsOf([sample])));
  assertEquals(await logitsOf(samples), alone.flat());
  assertEquals(await logitsOf(samples.slice(2, 4)), alone.flat().slice(2, 4));
});

Deno.test("5,000 forward passes run in constant memory", async () => {
  const backend = createCpuBackend();
  const fixture = await loadLlavaFixture("llava_b", backend);
  const { model } = fixture;
  const schedule = keepAll(model);
  const pass = (): void => {
    const logits = backend.scope(() =>
      nextTokenLogits(model, runDecoder(model, enter(fixture), schedule))
    );
    backend.free([logits]);
  };
  pass();
  const { memorySize, memoryUsed } = backend;
  for (let i = 0; i < 5000; i++) pass();
  assertEquals(backend.memorySize, memorySize);
  assertEquals(backend.memoryUsed, memoryUsed);
});

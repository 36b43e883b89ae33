// The whole model on the CPU backend against the reference backend: hidden
// states and scores of every layer, kept sets, logits and answers, with all
// vision tokens and with fewer; and all families against transformers.

import { assertEquals } from "@std/assert";
import {
  embedPrompts,
  embedTiles,
  nextTokenLogits,
  runDecoder,
} from "../../core/mod.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { CPU_BACKENDS } from "../_cpu.ts";
import { enter, keepAll, loadLlavaFixture } from "../_llava.ts";
import { testFamilies } from "../_families.ts";
import { loadTiny, questions, SCHEDULES, testTiny } from "../_tiny.ts";

for (const backend of CPU_BACKENDS) {
  await testTiny(backend);
  await testFamilies(backend);
}

Deno.test("a sample's logits have the same bits in every batch", async () => {
  const model = await loadTiny(createCpuBackend());
  const { backend } = model;
  const { images, samples } = questions;
  const length = Math.min(...samples.map(({ prompt }) => prompt.after.length));

  /** Logits of some samples as one batch, a row for each. */
  async function logitsOf(batch: typeof samples): Promise<number[][]> {
    const tokens = embedTiles(model, batch.map(({ image }) => images[image]));
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

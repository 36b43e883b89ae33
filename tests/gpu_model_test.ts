// The whole model on the GPU backend against the reference backend: hidden
// states and scores of every layer, kept sets, logits and answers, with all
// vision tokens and with fewer; long runs, and runs that are cut short.

import { assertEquals, assertRejects } from "@std/assert";
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
import { createGpuBackend, GpuError, requestGpu } from "../gpu/mod.ts";
import { loadModel, loadQuestions } from "../cli/load.ts";
import { assertClose } from "./_compare.ts";
import { device, gpu } from "./_gpu.ts";
import { enter, keepAll, loadLlavaFixture, trace } from "./_llava.ts";
import { reference } from "./_reference.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { hidden, logits } = F32_TOLERANCES;
const tiny = await loadModel(null);
const onTiny = (backend: Backend): Promise<LlavaModel> =>
  loadLlava(backend, tiny.source);
const [oracle, model] = [await onTiny(reference), await onTiny(gpu)];
const questions = await loadQuestions(tiny, { count: 6 }, "heldout", 0);
const N = oracle.config.visionTokens;

const SCHEDULES: Readonly<Record<string, Schedule>> = {
  "all vision tokens": keepAll(oracle),
  "fewer and fewer": fromKeepCounts([144, 144, 100, 71, 30, 30, 7, 1], N),
  "none from layer 3 on": fromKeepCounts([144, 144, 80, 0, 0, 0, 0, 0], N),
};

for (const [name, schedule] of Object.entries(SCHEDULES)) {
  Deno.test(`models/tiny computes on WebGPU what the reference does, ${name}`, async () => {
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

function best(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits));
}

Deno.test("300 forward passes run in constant buffer memory (WebGPU)", async () => {
  const backend = createGpuBackend(device);
  const fixture = await loadLlavaFixture("llava_b", backend);
  const { model } = fixture;
  const schedule = keepAll(model);
  const pass = async (): Promise<Float32Array> => {
    const logits = backend.scope(() =>
      nextTokenLogits(model, runDecoder(model, enter(fixture), schedule))
    );
    const values = await backend.read(logits);
    backend.free([logits]);
    return values;
  };
  // Runtimes wait some milliseconds for a result; ten passes wait together.
  const passes = (): Promise<Float32Array[]> =>
    Promise.all(Array.from({ length: 10 }, pass));
  const [first] = await passes();
  const { memorySize, memoryUsed } = backend;
  for (let i = 1; i < 30; i++) {
    for (const values of await passes()) assertEquals(values, first);
  }
  assertEquals(backend.memorySize, memorySize);
  assertEquals(backend.memoryUsed, memoryUsed);
});

Deno.test("a model whose device is destroyed in mid-run fails with a GpuError, and runs on a new one", async () => {
  const logitsOn = async (
    device: GPUDevice,
    interrupt: () => void,
  ): Promise<Float32Array> => {
    const backend = createGpuBackend(device);
    const fixture = await loadLlavaFixture("llava_a", backend);
    const { model } = fixture;
    const state = runDecoder(model, enter(fixture), keepAll(model));
    const logits = backend.read(nextTokenLogits(model, state));
    interrupt();
    return await logits;
  };
  const lost = await requestGpu();
  const error = await assertRejects(
    () => logitsOn(lost, () => lost.destroy()),
    GpuError,
  );
  assertEquals(error.failure, "lost");
  const fixture = await loadLlavaFixture("llava_a");
  const fresh = await requestGpu();
  assertClose(
    await logitsOn(fresh, () => {}),
    await fixture.expected("logits"),
    logits,
    "logits",
  );
  fresh.destroy();
});

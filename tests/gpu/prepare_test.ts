// What is compiled before the first question, and how.

import { assert, assertEquals } from "@std/assert";
import {
  embedPrompts,
  embedTiles,
  extend,
  prefill,
  prepareModel,
  sampleToken,
} from "../../core/mod.ts";
import { createGpuBackend } from "../../gpu/mod.ts";
import { device } from "../_gpu.ts";
import { loadTiny, questions, SCHEDULES } from "../_tiny.ts";

/** What a device is asked for while `body` runs. */
async function watch(body: () => Promise<void>) {
  const asked = { pipelines: 0, together: 0, later: 0, encoders: 0 };
  const create = device.createComputePipeline.bind(device);
  const createAsync = device.createComputePipelineAsync.bind(device);
  const encode = device.createCommandEncoder.bind(device);
  let pending = 0;
  device.createComputePipeline = (x) => (asked.later++, create(x));
  device.createCommandEncoder = (x) => (asked.encoders++, encode(x));
  device.createComputePipelineAsync = async (x) => {
    asked.pipelines++;
    asked.together = Math.max(asked.together, ++pending);
    const pipeline = await createAsync(x);
    pending--;
    return pipeline;
  };
  try {
    await body();
  } finally {
    Reflect.deleteProperty(device, "createComputePipeline");
    Reflect.deleteProperty(device, "createComputePipelineAsync");
    Reflect.deleteProperty(device, "createCommandEncoder");
  }
  return asked;
}

Deno.test("prepareModel() asks for all pipelines at once, runs nothing, and leaves nothing to compile", async () => {
  const backend = createGpuBackend(device);
  const model = await loadTiny(backend);
  const { memoryUsed } = backend;
  const prepared = await watch(() => prepareModel(model));
  assert(prepared.pipelines > 10);
  assertEquals(prepared.together, prepared.pipelines);
  assertEquals([prepared.later, prepared.encoders], [0, 0]);
  assertEquals(backend.memoryUsed, memoryUsed);

  const [{ image, prompt, answer }] = questions.samples;
  const first = await watch(async () => {
    for (const [name, schedule] of Object.entries(SCHEDULES)) {
      const tokens = embedTiles(model, [questions.images[image]]);
      const state = embedPrompts(model, tokens, [prompt]);
      const context = prefill(model, state, schedule);
      const said = sampleToken(await backend.read(context.logits));
      if (name === "all vision tokens") assertEquals([said], answer);
      await backend.read(extend(model, context, [[said]]).logits);
    }
  });
  assertEquals([first.pipelines, first.later], [0, 0]);

  const again = await watch(() => prepareModel(model));
  assertEquals([again.pipelines, again.later], [0, 0]);
});

Deno.test("`prepare()` passes on what its body throws, and runs what comes after it", async () => {
  const backend = createGpuBackend(device);
  const x = backend.upload(Float32Array.of(1, 2), [1, 2]);
  let rejected = false;
  await backend.prepare(() => {
    throw new Error("broken");
  }).catch(({ message }) => rejected = message === "broken");
  assert(rejected);
  assertEquals(await backend.read(backend.add(x, x)), Float32Array.of(2, 4));
});

// Generation, of which the runs of other implementations are in _generation.ts,
// for the GPU backend too.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  contextTensors,
  createReferenceBackend,
  embedImages,
  embedPrompts,
  extend,
  fromKeepCounts,
  generate,
  nextTokenLogits,
  prefill,
  runDecoder,
} from "../../core/mod.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { collect } from "../_generated.ts";
import { testGeneration } from "../_generation.ts";
import generated from "../fixtures/generated.json" with { type: "json" };
import { loadLlavaFixture } from "../_llava.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

await testGeneration(createReferenceBackend());
await testGeneration(createCpuBackend());

Deno.test("prefill() gives the logits of a run without a cache", async () => {
  const { model, prompts, images } = await loadLlavaFixture("llava_a");
  const state = embedPrompts(model, embedImages(model, [images[0]]), [
    prompts[0],
  ]);
  const schedule = fromKeepCounts([16, 12, 8, 3], 16);
  const left = runDecoder(model, state, schedule);
  assertEquals(
    await model.backend.read(prefill(model, state, schedule).logits),
    await model.backend.read(nextTokenLogits(model, left)),
  );
});

Deno.test("generate() ends before a stop token, and goes on in a next turn", async () => {
  const { model, prompts, images } = await loadLlavaFixture("llava_a");
  const [{ ids, keep }] = generated.llava_a;
  const start = () =>
    prefill(
      model,
      embedPrompts(model, embedImages(model, [images[0]]), [prompts[0]]),
      fromKeepCounts(keep, 16),
    );
  const stop = ids[4];
  const first = ids.indexOf(stop);
  const { ids: said, context } = await collect(model, start(), {
    stopTokens: [30, stop],
    maxTokens: 20,
  });
  assertEquals(said, ids.slice(0, first));

  const { context: next } = extend(model, context, [ids.slice(first, 9)]);
  const rest = await collect(model, next, { stopTokens: [], maxTokens: 6 });
  assertEquals(rest.ids, ids.slice(9, 15));
});

Deno.test("generate() frees what it makes but the context that it returns, and leaves the state as it was", async () => {
  const backend = createTrackingBackend(createReferenceBackend());
  const { model, prompts, images } = await loadLlavaFixture("llava_a", backend);
  const vision = embedImages(model, [images[0]]);
  const state = embedPrompts(model, vision, [prompts[0]]);
  const before = backend.live();
  const options = { stopTokens: [], maxTokens: 5 };
  const said: number[][] = [];
  for (let turn = 0; turn < 2; turn++) {
    const schedule = fromKeepCounts([16, 12, 8, 3], 16);
    const context = prefill(model, state, schedule);
    const { ids, context: end } = await collect(model, context, options);
    said.push(ids);
    backend.free(contextTensors(end));
    assertEquals(backend.live(), before);
  }
  assertEquals(said[0], said[1]);
});

Deno.test("generate() frees its context when it is left early or fails", async () => {
  const backend = createTrackingBackend(createReferenceBackend());
  const { model, prompts, images } = await loadLlavaFixture("llava_a", backend);
  const vision = embedImages(model, [images[0]]);
  const state = embedPrompts(model, vision, [prompts[0]]);
  const before = backend.live();
  const start = (signal?: AbortSignal) =>
    generate(model, prefill(model, state, fromKeepCounts([16, 9, 9, 3], 16)), {
      stopTokens: [],
      maxTokens: 5,
      ...signal && { signal },
    });
  for await (const id of start()) {
    assert(id >= 0);
    break;
  }
  assertEquals(backend.live(), before);
  await assertRejects(() => start(AbortSignal.abort(new Error("no"))).next());
  assertEquals(backend.live(), before);
});

Deno.test("extend() refuses tokens that the vocabulary does not have", async () => {
  const { model, prompts, images } = await loadLlavaFixture("llava_a");
  const vision = embedImages(model, [images[0]]);
  const context = prefill(
    model,
    embedPrompts(model, vision, [prompts[0]]),
    fromKeepCounts([16, 16, 16, 16], 16),
  );
  for (const id of [-1, 1.5, model.config.decoder.vocabulary]) {
    assertThrows(
      () => extend(model, context, [[id]]),
      RangeError,
      `current value is ${id}`,
    );
  }
});

Deno.test("generate() rejects with the signal's reason", async () => {
  const { model, prompts, images } = await loadLlavaFixture("llava_a");
  const context = prefill(
    model,
    embedPrompts(model, embedImages(model, [images[0]]), [prompts[0]]),
    fromKeepCounts([16, 16, 16, 16], 16),
  );
  const controller = new AbortController();
  const steps = generate(model, context, {
    stopTokens: [],
    maxTokens: 5,
    signal: controller.signal,
  });
  assert(!(await steps.next()).done);
  controller.abort(new Error("enough"));
  await assertRejects(() => steps.next(), Error, "enough");
});

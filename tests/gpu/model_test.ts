// The whole model on the GPU backend against the reference backend: hidden
// states and scores of every layer, kept sets, logits and answers, with all
// vision tokens and with fewer; all families against transformers; long runs,
// and runs that are cut short.

import { assertEquals, assertRejects } from "@std/assert";
import {
  type Backend,
  nextTokenLogits,
  predictNextToken,
  runDecoder,
} from "../../core/mod.ts";
import { createGpuBackend, GpuError, requestGpu } from "../../gpu/mod.ts";
import { assertClose } from "../_compare.ts";
import { testFamilies } from "../_families.ts";
import { device, gpu } from "../_gpu.ts";
import {
  enter,
  keepAll,
  type LlavaFixture,
  loadLlavaFixture,
} from "../_llava.ts";
import { testTiny } from "../_tiny.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

await testTiny(gpu);
await testFamilies(gpu);

/** A page's WebGPU, in software, takes some 150 ms for each. */
const PASSES = "document" in globalThis ? 60 : 2000;

/** One sample of a fixture, with one layer each of vision tower and decoder. */
async function loadShallow(backend: Backend): Promise<LlavaFixture> {
  const fixture = await loadLlavaFixture("llava_a", backend);
  const { config, tower, decoder } = fixture.model;
  const [first] = decoder.layers;
  const decoderConfig = { ...decoder.config, layers: 1 };
  const model = {
    ...fixture.model,
    config: { ...config, decoder: decoderConfig },
    tower: { ...tower, layers: tower.layers.slice(0, 1) },
    decoder: { ...decoder, config: decoderConfig, layers: [first] },
  };
  const [image] = fixture.images;
  const [prompt] = fixture.prompts;
  return { ...fixture, model, images: [image], prompts: [prompt] };
}

Deno.test(`${PASSES} forward passes run in constant buffer memory (WebGPU)`, async () => {
  const backend = createGpuBackend(device);
  const fixture = await loadShallow(backend);
  const { model } = fixture;
  const schedule = keepAll(model);
  const pass = async (): Promise<Float32Array> => {
    const logits = backend.scope(() =>
      predictNextToken(model, enter(fixture), schedule)
    );
    const values = await backend.read(logits);
    backend.free([logits]);
    return values;
  };
  // Runtimes wait some milliseconds for a result; twenty passes wait together.
  const passes = (): Promise<Float32Array[]> =>
    Promise.all(Array.from({ length: 20 }, pass));
  const [first] = await passes();
  const { memorySize, memoryUsed } = backend;
  for (let i = 20; i < PASSES; i += 20) {
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
    F32_TOLERANCES.logits,
    "logits",
  );
  fresh.destroy();
});

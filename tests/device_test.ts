// `--device`: which backend it opens, and what evaluates a model there.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDevice } from "../study/device.ts";
import { openEvaluators, searchBatchSize } from "../study/evaluators.ts";
import { loadModel } from "../study/load.ts";
import type { MemoryPlan } from "../study/memory_plan.ts";
import { loadQuestions } from "../cli/questions.ts";
import { fromKeepCounts } from "../core/mod.ts";
import { GpuError, requestGpu } from "../gpu/mod.ts";
import { SMALL, writeQuestions, writeSmallModel } from "./_small_model.ts";

/** The GPU of this machine, which says that it is something else. */
async function gpuNamed(description: string): Promise<GPUDevice> {
  const device = await requestGpu();
  Object.defineProperty(device, "adapterInfo", { value: { description } });
  return device;
}

Deno.test("openDevice() takes WebGPU by itself where the GPU is hardware", async () => {
  const gpu = await gpuNamed("NVIDIA H200");
  const request = () => Promise.resolve(gpu);
  const { device, backend } = await openDevice("auto", 1000, { request });
  assertEquals([device, backend.name], ["webgpu", "WebGPU on NVIDIA H200"]);
  gpu.destroy();
});

Deno.test("openDevice() takes the CPU where the GPU is software, and gives it back", async () => {
  const gpu = await gpuNamed("llvmpipe (LLVM 15.0.6, 256 bits)");
  const { device } = await openDevice("auto", 0, {
    request: () => Promise.resolve(gpu),
  });
  assertEquals(device, "cpu");
  assertEquals((await gpu.lost).reason, "destroyed");
});

Deno.test("openDevice() takes the CPU where there is no GPU, unless it was told not to", async () => {
  const none = () => Promise.reject(new GpuError("unavailable", "No GPU"));
  assertEquals((await openDevice("auto", 0, { request: none })).device, "cpu");
  assertEquals(
    (await openDevice("reference", 0, { request: none })).device,
    "reference",
  );
  await assertRejects(
    () => openDevice("webgpu", 0, { request: none }),
    GpuError,
    "No GPU",
  );
});

Deno.test("searchBatchSize() is one on the CPU, and on a GPU what memory is there for", () => {
  const sizeOf = (device: "cpu" | "webgpu", activations: number) =>
    searchBatchSize({ device, plan: { activations } as MemoryPlan });
  assertEquals(sizeOf("cpu", 1e6), 1);
  assertEquals(
    [1e6, 274e6, 1.07e9, 9e9].map((bytes) => sizeOf("webgpu", bytes)),
    [8, 3, 1, 1],
  );
});

Deno.test("evaluators on WebGPU and on the CPU come to the same results", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await writeSmallModel(directory);
    await writeQuestions(directory, "questions.jsonl", 12, 0);
    const schedule = fromKeepCounts([16, 16, 9, 2], SMALL.visionTokens);
    const evaluate = async (device: "cpu" | "webgpu") => {
      const loaded = await loadModel(directory, { device });
      const file = `${directory}/questions.jsonl`;
      const questions = await loadQuestions(loaded, { file }, "heldout", 0);
      using evaluators = await openEvaluators(loaded);
      const evaluator = evaluators.createEvaluator(questions, {
        batchSize: searchBatchSize(loaded),
      });
      const { samples } = await evaluator(schedule);
      return samples.toSorted((a, b) => a.index - b.index);
    };
    const expected = await evaluate("cpu");
    const actual = await evaluate("webgpu");
    assertEquals(expected.length, 12);
    for (const [i, { loss, correct }] of actual.entries()) {
      assertEquals(correct, expected[i].correct);
      assert(Math.abs(loss - expected[i].loss) < 1e-4);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

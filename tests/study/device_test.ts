// `--device`: which backend it opens, and what it says of what it passed over.

import { assertEquals, assertRejects } from "@std/assert";
import { openDevice } from "../../study/device.ts";
import { searchBatchSize } from "../../study/evaluators.ts";
import type { MemoryPlan } from "../../study/memory_plan.ts";
import { GpuError, requestGpu } from "../../gpu/mod.ts";
import { createIdleDevice } from "../_idle_device.ts";

Deno.test("openDevice() takes WebGPU by itself where the GPU is hardware", async () => {
  const gpu = createIdleDevice("NVIDIA H200");
  const request = () => Promise.resolve(gpu);
  const { device, backend, passedOver } = await openDevice("auto", 1000, {
    request,
  });
  assertEquals([device, backend.name], ["webgpu", "WebGPU on NVIDIA H200"]);
  assertEquals(passedOver, null);
});

Deno.test("openDevice() takes the CPU where the GPU is software, and gives it back", async () => {
  const gpu = createIdleDevice("llvmpipe (LLVM 15.0.6, 256 bits)");
  const { device, passedOver } = await openDevice("auto", 0, {
    request: () => Promise.resolve(gpu),
  });
  assertEquals(device, "cpu");
  assertEquals(
    passedOver,
    "llvmpipe (LLVM 15.0.6, 256 bits) computes in software, slower than the CPU",
  );
  assertEquals((await gpu.lost).reason, "destroyed");
});

Deno.test("openDevice() takes the CPU where there is no GPU, unless it was told not to", async () => {
  const request = () =>
    requestGpu({ requestAdapter: () => Promise.resolve(null) } as never);
  const auto = await openDevice("auto", 0, { request });
  assertEquals(
    [auto.device, auto.passedOver],
    ["cpu", "WebGPU finds no adapter"],
  );
  for (const choice of ["cpu", "reference"] as const) {
    const { device, passedOver } = await openDevice(choice, 0, { request });
    assertEquals([device, passedOver], [choice, null]);
  }
  const error = await assertRejects(
    () => openDevice("webgpu", 0, { request }),
    GpuError,
  );
  assertEquals(
    error.message,
    "Cannot compute on a GPU as WebGPU finds no adapter: one in software comes with the packages libvulkan1 and mesa-vulkan-drivers (Debian, Ubuntu); macOS has Metal, Windows has Direct3D",
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

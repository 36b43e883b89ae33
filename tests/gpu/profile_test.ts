// GPU time by kernel: what is counted, in which order, and what becomes of
// results and errors while it is.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { Tensor, Weight } from "../../core/mod.ts";
import {
  createGpuBackend,
  GpuError,
  type KernelTime,
  requestGpu,
} from "../../gpu/mod.ts";
import { device, gpu } from "../_gpu.ts";

const ones = (rows: number, columns: number): Tensor =>
  gpu.upload(new Float32Array(rows * columns).fill(1), [rows, columns]);

const weightOfOnes = (size: number): Weight =>
  gpu.uploadWeight(new Float32Array(size * size).fill(1), [size, size]);

/** How often each kernel ran, in order. */
function runsOf(times: ReadonlyMap<string, KernelTime>): [string, number][] {
  return [...times].map(([label, { runs }]) => [label, runs]);
}

Deno.test("`profile()` counts the runs of every kernel, in the order of the first ones", async () => {
  const [x, weight] = [ones(1, 8), weightOfOnes(8)];
  gpu.add(x, x); // recorded before
  const times = await gpu.profile(() => {
    const y = gpu.linear(x, weight);
    gpu.add(y, gpu.linear(y, weight));
  });
  assertEquals(runsOf(times), [["rowLinear", 2], ["add", 1]]);
  assertEquals(runsOf(await gpu.profile(() => {})), []);
});

Deno.test("`profile()` gives its time to each kernel, all together at most what has passed", async () => {
  const [x, row] = [ones(512, 512), ones(1, 512)];
  const weight = weightOfOnes(512);
  const record = () => {
    gpu.linear(row, weight);
    gpu.linear(row, weight);
    gpu.linear(x, weight);
  };
  await gpu.profile(record); // compiles
  const start = performance.now();
  const times = await gpu.profile(record);
  const passed = performance.now() - start;
  // Of 512 rows, and of two.
  const small = times.get("rowLinear")!.milliseconds;
  const large = times.get("matrixLinear")!.milliseconds;
  assert(small > 0 && large > 2 * small, `${small} ms, ${large} ms`);
  assert(small + large <= passed, `${small + large} of ${passed} ms`);
});

Deno.test("`profile()` times more runs than fit into one query set", async () => {
  const x = ones(1, 4);
  const times = await gpu.profile(() =>
    gpu.scope(() => {
      let y = x;
      for (let i = 0; i < 5000; i++) y = gpu.add(y, x);
    })
  );
  assertEquals(runsOf(times), [["add", 5000]]);
});

Deno.test("results are the same while kernels are timed", async () => {
  const [x, weight] = [ones(2, 8), weightOfOnes(8)];
  const expected = await gpu.read(gpu.linear(gpu.linear(x, weight), weight));
  let y = x;
  await gpu.profile(() => {
    y = gpu.linear(gpu.linear(x, weight), weight);
  });
  assertEquals(await gpu.read(y), expected);
});

Deno.test("`profile()` passes on what its body throws, and times nothing after it", async () => {
  const broken = new Error("broken");
  const thrown = await assertRejects(() =>
    gpu.profile(() => {
      throw broken;
    })
  );
  assertStrictEquals(thrown, broken);
  device.createQuerySet = () => {
    throw new Error("timed");
  };
  try {
    const x = ones(1, 4);
    assertEquals(await gpu.read(gpu.add(x, x)), Float32Array.of(2, 2, 2, 2));
  } finally {
    Reflect.deleteProperty(device, "createQuerySet");
  }
});

Deno.test("`profile()` says that a device has no timestamps", async () => {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const plain = await adapter.requestDevice();
  const error = await assertRejects(
    () => createGpuBackend(plain).profile(() => {}),
    GpuError,
    `Cannot time kernels as the device must have the feature "timestamp-query": current features are [`,
  );
  assertEquals(error.failure, "unavailable");
  plain.destroy();
});

Deno.test("a device destroyed while kernels are timed rejects with a GpuError", async () => {
  const lost = await requestGpu();
  const backend = createGpuBackend(lost);
  const x = backend.upload(Float32Array.of(1, 2), [1, 2]);
  const times = backend.profile(() => backend.add(x, x));
  lost.destroy();
  const error = await assertRejects(() => times, GpuError);
  assertEquals(error.failure, "lost");
});

// Getting a GPU, and the errors of one that fails.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { createContext } from "../../gpu/context.ts";
import { Failures } from "../../gpu/failures.ts";
import {
  availableMemory,
  createGpuBackend,
  GpuError,
  type Grid,
  isSoftware,
  type Kernel,
  requestGpu,
} from "../../gpu/mod.ts";
import { bufferOf } from "../../gpu/tensors.ts";
import { device } from "../_gpu.ts";

/** A kernel that writes ones. */
function fill(label: string, change: Partial<Kernel> = {}): Kernel {
  return {
    label,
    sizes: [],
    inputs: [],
    outputs: ["y"],
    grid: () => [1, 1, 1],
    code: `
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = 1;
}
`,
    ...change,
  };
}

/** Runs kernels one after the other and reads what the last one writes. */
async function readAfter(...kernels: readonly Kernel[]): Promise<ArrayBuffer> {
  const { tensors, runner } = createContext(device);
  const y = tensors.make("float", [4]);
  for (const kernel of kernels) {
    runner.run(kernel, { inputs: [], outputs: [y], sizes: {}, constants: {} });
  }
  return await runner.read(bufferOf(y), 16);
}

Deno.test("requestGpu() asks for the adapter's limits and features", async () => {
  const adapter = (await navigator.gpu.requestAdapter())!;
  for (
    const limit of [
      "maxBufferSize",
      "maxStorageBufferBindingSize",
      "maxComputeInvocationsPerWorkgroup",
      "maxComputeWorkgroupStorageSize",
    ] as const
  ) {
    assertEquals(device.limits[limit], adapter.limits[limit], limit);
  }
  for (const feature of ["shader-f16", "timestamp-query"] as const) {
    assertEquals(device.features.has(feature), adapter.features.has(feature));
  }
});

Deno.test("requestGpu() says why there is no GPU", async () => {
  const without = { requestAdapter: () => Promise.resolve(null) };
  const error = await assertRejects(
    () => requestGpu(without as unknown as GPU),
    GpuError,
    "Cannot compute on a GPU as WebGPU finds no adapter",
  );
  assertEquals(error.failure, "unavailable");
});

Deno.test("isSoftware() knows adapters that compute on the CPU", () => {
  const info = (description: string, isFallbackAdapter = false) =>
    ({ description, isFallbackAdapter }) as GPUAdapterInfo;
  assert(isSoftware(info("llvmpipe (LLVM 15.0.6, 256 bits)")));
  assert(isSoftware(info("SwiftShader Device (Subzero)")));
  assert(isSoftware(info("Microsoft Basic Render Driver")));
  assert(isSoftware(info("Something new", true)));
  assert(!isSoftware(info("NVIDIA H200")));
  assert(!isSoftware(info("AMD Radeon RX 7900 XTX (RADV NAVI31)")));
});

Deno.test("a shader that does not compile is shown where it is wrong", async () => {
  const code =
    "@compute @workgroup_size(1)\nfn main() {\n  let x: u32 = 1.5;\n}";
  const error = await assertRejects(
    () => readAfter(fill("good"), fill("broken", { code }), fill("good too")),
    GpuError,
  );
  // Naga points at the variable, Tint at the value.
  assertMatch(
    error.message,
    /^Cannot compile kernel "broken": line 3, column (7|16): /,
  );
  assert(error.message.endsWith("\n3 |   let x: u32 = 1.5;"), error.message);
  assertEquals([error.failure, error.kernel], ["compilation", "broken"]);
});

Deno.test("a kernel that lacks a constant is named", async () => {
  const code = "override LACKING: u32;\n" +
    fill("lacks").code.replace("= 1;", "= f32(LACKING);");
  const error = await assertRejects(
    () => readAfter(fill("lacks", { code })),
    GpuError,
    `Cannot compile kernel "lacks" with constants {}: `,
  );
  assertEquals([error.failure, error.kernel], ["compilation", "lacks"]);
});

Deno.test("of kernels submitted together the one that is invalid is named", async () => {
  const grid = (): Grid => [100_000, 1, 1];
  const error = await assertRejects(
    () => readAfter(fill("good"), fill("too wide", { grid }), fill("good too")),
    GpuError,
    `Cannot run kernel "too wide": `,
  );
  assertEquals([error.failure, error.kernel], ["validation", "too wide"]);
});

Deno.test("every read after a failure rejects with it", async () => {
  const { tensors, runner } = createContext(device);
  const y = tensors.make("float", [4]);
  const run = (kernel: Kernel): void =>
    runner.run(kernel, { inputs: [], outputs: [y], sizes: {}, constants: {} });
  const read = () => runner.read(bufferOf(y), 16);
  run(fill("broken", { code: "fn" }));
  const together = await Promise.allSettled([read(), read()]);
  assertEquals(together.map(({ status }) => status), ["rejected", "rejected"]);
  run(fill("good"));
  await assertRejects(read, GpuError, `Cannot compile kernel "broken"`);
});

Deno.test("out of memory is told from other failures", async () => {
  // Memory that is really full would trouble the whole machine.
  const errors = [null, { message: "Not enough memory left" }, null];
  const full = {
    lost: new Promise(() => {}),
    pushErrorScope: () => {},
    popErrorScope: () => Promise.resolve(errors.shift()),
  } as unknown as GPUDevice;
  const failures = new Failures(full);
  failures.watch(
    () => {},
    (failure, message) => new GpuError(failure, message, "linear"),
  );
  const error = await assertRejects(
    () => failures.settle(Promise.resolve()),
    GpuError,
    "Not enough memory left",
  );
  assertEquals([error.failure, error.kernel], ["out-of-memory", "linear"]);
});

Deno.test("availableMemory() says how much there is of what is wanted", async () => {
  const wanted = 2 ** 20 + 1;
  assert(await availableMemory(device, wanted) >= wanted);
  // A device of three chunks of 1000 bytes.
  let chunks = 0;
  let destroyed = 0;
  const small = {
    limits: { maxBufferSize: 1000 },
    pushErrorScope: () => {},
    createBuffer: () => (chunks++, { destroy: () => destroyed++ }),
    popErrorScope: () => Promise.resolve(chunks > 3 ? {} : null),
  } as unknown as GPUDevice;
  assertEquals(await availableMemory(small, 3500), 3000);
  assertEquals(destroyed, chunks);
});

Deno.test("a tensor that no binding can hold is refused at once", () => {
  const { tensors } = createContext(device);
  const limit = device.limits.maxStorageBufferBindingSize;
  const error = assertThrows(
    () => tensors.make("float", [limit / 4 + 1]),
    GpuError,
    `Cannot hold a tensor as it must take at most ${limit} bytes on this GPU: current value is ${
      limit + 4
    }`,
  );
  assertEquals(error.failure, "out-of-memory");
});

Deno.test("a device destroyed in mid-run rejects the read, and a new one works", async () => {
  const compute = async (device: GPUDevice, destroy: () => void) => {
    const backend = createGpuBackend(device);
    const x = backend.upload(Float32Array.of(1, 2), [1, 2]);
    const weight = backend.uploadWeight(Float32Array.of(3, 4), [1, 2]);
    const y = backend.linear(x, weight);
    const value = backend.read(y);
    destroy();
    return { value: await value, backend, y };
  };
  const first = await requestGpu();
  const error = await assertRejects(
    () => compute(first, () => first.destroy()),
    GpuError,
    "Cannot use the GPU any more as its device was lost (destroyed)",
  );
  assertEquals([error.failure, error.kernel], ["lost", "rowLinear"]);

  const second = await requestGpu();
  const { value, backend, y } = await compute(second, () => {});
  assertEquals(value, Float32Array.of(11));
  second.destroy();
  const late = await backend.read(y).catch((error) => error);
  assertInstanceOf(late, GpuError);
  assertEquals(late.failure, "lost");
});

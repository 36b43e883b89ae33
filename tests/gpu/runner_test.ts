// Recording, submitting and reading on the GPU: what a kernel is given, how
// often the device is bothered, and what becomes of memory.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { createContext } from "../../gpu/context.ts";
import { type Kernel, spread } from "../../gpu/mod.ts";
import { uploadOperations } from "../../gpu/operations/upload.ts";
import { bufferOf, type GpuTensor, partsOf } from "../../gpu/tensors.ts";
import { device } from "../_gpu.ts";

/** y = x · factor + OFFSET. */
const SCALE: Kernel<"n" | "factor", "OFFSET"> = {
  label: "scale",
  sizes: ["n", "factor"],
  inputs: ["x"],
  outputs: ["y"],
  grid: ({ n }) => spread(Math.ceil(n / 64)),
  code: `
override OFFSET: f32;
struct Sizes { n: u32, factor: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.x + group.y * groups.x) * 64 + local;
  if (i >= sizes.n) { return; }
  y[i] = x[i] * f32(sizes.factor) + OFFSET;
}
`,
};

/** A context of its own, and what a test does in it. */
function start() {
  const context = createContext(device);
  const { tensors, runner } = context;
  const upload = (values: ArrayLike<number>): GpuTensor<"float"> =>
    uploadOperations(context).upload(Float32Array.from(values), [
      values.length,
    ]) as GpuTensor<"float">;
  const scale = (
    x: GpuTensor<"float">,
    factor: number,
    offset = 0,
  ): GpuTensor<"float"> => {
    const y = tensors.make("float", x.shape);
    runner.run(SCALE, {
      inputs: [x],
      outputs: [y],
      sizes: { n: x.shape[0], factor },
      constants: { OFFSET: offset },
    });
    return y;
  };
  const read = async (x: GpuTensor<"float">): Promise<number[]> => [
    ...new Float32Array(await runner.read(bufferOf(x), 4 * x.shape[0])),
  ];
  return { ...context, upload, scale, read };
}

/** How often `body` makes the device call methods of these names. */
async function callsOf(
  body: () => Promise<void>,
  ...names: ("createComputePipeline" | "createCommandEncoder")[]
): Promise<number[]> {
  const counts = names.map(() => 0);
  names.forEach((name, i) => {
    const method = device[name].bind(device) as (x: unknown) => never;
    device[name] = (x: unknown) => (counts[i]++, method(x));
  });
  try {
    await body();
  } finally {
    for (const name of names) Reflect.deleteProperty(device, name);
  }
  return counts;
}

Deno.test("run() gives every run of a kernel its own sizes and constants", async () => {
  const { upload, scale, read } = start();
  const x = upload([1, 2, 3]);
  const [a, b, c] = [scale(x, 2), scale(x, 3, 0.5), scale(scale(x, 2), 3, 1)];
  assertEquals(await read(a), [2, 4, 6]);
  assertEquals(await read(b), [3.5, 6.5, 9.5]);
  assertEquals(await read(c), [7, 13, 19]);
});

Deno.test("run() reaches all values when there are more than 65,535 workgroups", async () => {
  const { upload, scale, read } = start();
  const n = 64 * 65_536 + 1;
  const y = await read(scale(upload(new Float32Array(n).fill(1)), 2));
  assert(y.every((value) => value === 2));
});

Deno.test("run() skips a kernel that has nothing to do", async () => {
  const { upload, scale, read } = start();
  assertEquals(await read(scale(upload([]), 2)), []);
});

Deno.test("read() submits everything recorded before it in one command encoder", async () => {
  const { upload, scale, read } = start();
  const [encoders] = await callsOf(async () => {
    let x = upload([1]);
    for (let i = 0; i < 100; i++) x = scale(x, 1, 1);
    assertEquals(await read(x), [101]);
  }, "createCommandEncoder");
  assertEquals(encoders, 1);
});

Deno.test("run() submits work that takes a GPU long in pieces", async () => {
  const { tensors, runner } = createContext(device);
  const long = { ...SCALE, flop: () => 4e11 };
  const [encoders] = await callsOf(async () => {
    let x = tensors.make("float", [1]);
    for (let i = 0; i < 7; i++) {
      const y = tensors.make("float", [1]);
      const sizes = { n: 1, factor: 1 };
      const constants = { OFFSET: 1 };
      runner.run(long, { inputs: [x], outputs: [y], sizes, constants });
      x = y;
    }
    await runner.read(bufferOf(x), 4);
  }, "createCommandEncoder");
  // After each third, and at the end.
  assertEquals(encoders, 3);
});

Deno.test("buffers serve tensors of more than half their size too", () => {
  const { tensors, buffers } = start();
  tensors.free(tensors.make("float", [8192]));
  const { size } = buffers;
  for (let n = 8192; n > 4200; n -= 100) {
    tensors.free(tensors.make("float", [n]));
  }
  assertEquals(buffers.size, size);
  tensors.make("float", [4000]);
  assert(buffers.size > size);
});

Deno.test("run() compiles a kernel once for each set of constants", async () => {
  const { upload, scale, read } = start();
  const [pipelines] = await callsOf(async () => {
    const x = upload([1]);
    for (let i = 0; i < 10; i++) await read(scale(x, i, i % 2));
  }, "createComputePipeline");
  assertEquals(pipelines, 2);
});

Deno.test("upload() leaves alone what recorded kernels have yet to read", async () => {
  const { tensors, upload, scale, read } = start();
  const x = upload([1, 2]);
  const y = scale(x, 10);
  tensors.free(x);
  const z = scale(upload([5, 6]), 10);
  assertEquals(await read(y), [10, 20]);
  assertEquals(await read(z), [50, 60]);
});

Deno.test("a scope gives back all buffers but those of its result", () => {
  const { buffers, tensors, upload, scale } = start();
  const x = upload([1, 2]);
  const one = buffers.used;
  const { kept } = tensors.scope(() => {
    const y = tensors.scope(() => scale(scale(x, 2), 2));
    assertEquals(buffers.used, 2 * one);
    return { kept: scale(y, 3) };
  });
  assertEquals(buffers.used, 2 * one);
  tensors.free(kept);
  tensors.free(kept);
  assertEquals(buffers.used, one);
});

Deno.test("2,000 passes take no more memory than a few", async () => {
  const { buffers, tensors, upload, scale, read } = start();
  const pass = async (n: number): Promise<void> => {
    const y = tensors.scope(() => scale(scale(upload(Array(n).fill(1)), 2), 3));
    assertEquals(await read(y), Array(n).fill(6));
    tensors.free(y);
  };
  // Runtimes wait some milliseconds for a result; 50 passes wait together.
  const passes = () =>
    Promise.all(Array.from({ length: 50 }, (_, i) => pass(i)));
  await passes();
  const { size } = buffers;
  for (let i = 0; i < 40; i++) await passes();
  assertEquals([buffers.size, buffers.used], [size, 0]);
});

Deno.test("buffers of a size that is not used any more are destroyed", async () => {
  const { buffers, tensors, upload, scale, read } = start();
  tensors.free(upload(Array(100_000).fill(1)));
  assert(buffers.size > 400_000);
  for (let i = 0; i < 100; i++) {
    const y = tensors.scope(() => scale(upload([1]), 2));
    await read(y);
    tensors.free(y);
  }
  assert(buffers.size < 2000);
});

Deno.test("a freed tensor cannot be used", () => {
  const { tensors, upload, scale } = start();
  const x = upload([1]);
  tensors.free(x);
  assertThrows(
    () => scale(x, 2),
    TypeError,
    "Cannot use a tensor as it must be one of this backend that was not freed and fits into one binding: current shape is [1]",
  );
});

Deno.test("partsOf() tells where each part of a tensor begins", () => {
  const { upload } = start();
  const x = upload([1, 2, 3]);
  assertEquals(partsOf(x), [{ start: 0, rows: x }]);
});

Deno.test("spread() stays within the limit of every dimension", () => {
  for (const count of [0, 1, 65_535, 65_536, 1_000_000, 2 ** 31]) {
    const [x, y, z] = spread(count);
    assert(Math.max(x, y, z) <= 65_535);
    assert(x * y * z >= count && x * y * z < count + Math.max(y, 1));
  }
});

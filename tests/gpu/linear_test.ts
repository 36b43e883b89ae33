// `linear` of the GPU backend against the reference, with large tiles, and with
// weights in parts.

import { assert, assertEquals } from "@std/assert";
import { WEIGHT_TYPES, weightBytes } from "../../core/mod.ts";
import { backendOn } from "../../gpu/backend.ts";
import { createContext } from "../../gpu/context.ts";
import { ROW_LINEAR } from "../../gpu/kernels/linear.ts";
import { createGpuBackend } from "../../gpu/mod.ts";
import { partsOf } from "../../gpu/tensors.ts";
import { asOnHardware, device, gpu } from "../_gpu.ts";
import {
  assertSameLinear,
  linearOf,
  randomLinear,
  testLinear,
} from "../_operations/linear.ts";
import { assertSame } from "../_parity.ts";

for (const weightType of WEIGHT_TYPES) {
  const backend = createGpuBackend(device, { weightType });

  testLinear(linearOf(backend, weightType), {
    runs: 100,
    largest: [150, 300, 150],
    edges: {
      M: [1, 4, 5, 31, 32, 33, 64, 65, 129],
      I: [4, 16, 17],
      O: [1, 63, 64, 65, 129],
    },
  });

  Deno.test(`linear() takes weights in parts where they exceed a binding (WebGPU, ${weightType})`, async () => {
    // Parts that are larger than [5, O] in any type.
    const [O, I] = [200, 138];
    const bindable = Math.ceil(weightBytes(weightType, [O, I]) / 2.2);
    const parted = backendOn(createContext(device, { bindable, weightType }));
    const weight = parted.uploadWeight(new Float32Array(O * I), [O, I]);
    assert(partsOf(weight).length > 2);
    const linear = linearOf(parted, weightType);
    for (const M of [5, 1]) {
      // Some of them with a bias, a gate, a residual.
      for (const seed of [0, 1, 2, 3]) {
        await assertSameLinear(linear, randomLinear([M, I, O], seed));
      }
    }
  });

  Deno.test(`weights take the memory that weightBytes() says (WebGPU, ${weightType})`, () => {
    const shape = [64, 128];
    const { memoryUsed } = backend;
    const weight = backend.uploadWeight(new Float32Array(64 * 128), shape);
    const used = backend.memoryUsed - memoryUsed;
    const bytes = weightBytes(weightType, shape);
    // Buffers come in eighths of powers of two.
    assert(bytes <= used && used <= 1.125 * bytes, `${used} of ${bytes}`);
    backend.free([weight]);
  });
}

Deno.test("linear() uses large tiles where there are many (WebGPU)", () =>
  assertSameLinear(linearOf(gpu, "f32"), randomLinear([129, 5, 128 * 64])));

for (const weightType of ["f32", "int4"] as const) {
  const backend = asOnHardware(weightType);
  const linear = linearOf(backend, weightType);
  testLinear(linear, {
    runs: 20,
    largest: [150, 300, 150],
    edges: { M: [5, 32, 33], I: [16, 33, 65], O: [1, 63, 65] },
  });

  Deno.test(`linear() chooses tiles by how many there are (${backend.name})`, async () => {
    // Large ones, small ones, and those whose depth 4 and 8 threads share.
    for (const [M, tiles] of [[9, 512], [65, 256], [64, 256], [64, 255]]) {
      await assertSameLinear(linear, randomLinear([M, 37, 64 * tiles]));
    }
  });
}

Deno.test("rowLinear adds up the same in teams of any number of threads", async () => {
  const [O, I] = [9, 5004];
  const context = createContext(device);
  const backend = backendOn(context);
  const { runner, tensors } = context;
  // Integers, whose sums are exact in any order.
  const x = Float32Array.from({ length: I }, (_, i) => i % 7);
  const weight = Float32Array.from({ length: O * I }, (_, i) => i % 5);
  const expected = Float32Array.from(
    { length: O },
    (_, o) => x.reduce((sum, value, i) => sum + value * weight[o * I + i], 0),
  );
  const inputs = [
    backend.upload(x, [1, I]),
    backend.uploadWeight(weight, [O, I]),
    ...[undefined, undefined, undefined],
  ];
  const none = { bias: 0, activation: 0, gate: 0, residual: 0 };
  for (const constants of [{ X: 4, Y: 16 }, { X: 8, Y: 8 }, { X: 64, Y: 1 }]) {
    const out = tensors.make("float", [1, O]);
    runner.run(ROW_LINEAR.f32, {
      inputs,
      outputs: [out],
      sizes: {
        rows: 1,
        columns: O,
        depth: I / 4,
        start: 0,
        stride: O,
        ...none,
      },
      constants,
    });
    assertEquals(await backend.read(out), expected);
  }
});

Deno.test("linear() keeps all dimensions of x but the last (WebGPU)", () =>
  assertSame(gpu, 0, (inputs) =>
    inputs.backend.linear(
      inputs.floats([2, 3, 4]),
      inputs.backend.uploadWeight(new Float32Array(20).fill(3), [5, 4]),
    )));

Deno.test("uploadWeight() splits rows of a weight that exceeds a binding", () => {
  const parted = backendOn(createContext(device, { bindable: 4096 }));
  const weight = parted.uploadWeight(new Float32Array(25 * 100), [25, 100]);
  assertEquals(partsOf(weight).map(({ start }) => start), [0, 10, 20]);
});

// `linear` of the GPU backend against the reference on random shapes, around the
// edges of its tiles, and with weights in parts.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { LinearOptions, Tensor } from "../core/mod.ts";
import { createRandom } from "../core/random.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import { ROW_LINEAR } from "../gpu/kernels/linear.ts";
import { createGpuBackend } from "../gpu/mod.ts";
import { partsOf } from "../gpu/tensors.ts";
import { assertSame, type Inputs } from "./_parity.ts";
import { device, gpu } from "./_gpu.ts";

/**
 * `linear` on random inputs for which no number on the way is much larger than
 * one, so that the absolute tolerance, made for numbers near one, applies.
 */
function randomLinear(
  inputs: Inputs,
  [M, I, O]: readonly [M: number, I: number, O: number],
  options: (upload: (...shape: number[]) => Tensor) => LinearOptions,
): Tensor {
  const random = createRandom(M, I, O);
  const limit = 1 / Math.sqrt(I);
  // Whatever type a backend stores them as, these are stored exactly.
  const weight = roundToHalf(
    Float32Array.from({ length: O * I }, () => random.between(-limit, limit)),
  );
  const { backend } = inputs;
  return backend.linear(
    inputs.floats([M, I]),
    backend.uploadWeight(weight, [O, I]),
    options((...shape) => inputs.floats(shape)),
  );
}

/** The nearest numbers that 16 bits can hold. */
const roundToHalf = (values: Float32Array): Float32Array =>
  Float32Array.from(new Float16Array(values));

/** Some of the options, as the bits of `choice` say. */
function someOptions(
  choice: number,
  M: number,
  O: number,
): (upload: (...shape: number[]) => Tensor) => LinearOptions {
  const activations = ["gelu", "gelu_tanh", "quick_gelu"] as const;
  return (upload) => ({
    ...(choice & 1 ? { bias: upload(O) } : {}),
    ...(choice & 2 ? { gate: upload(M, O) } : {}),
    ...(choice & 4 ? { residual: upload(M, O) } : {}),
    ...(choice & 8 ? { activation: activations[(choice >> 4) % 3] } : {}),
  });
}

const size = (max: number): fc.Arbitrary<number> =>
  fc.oneof(fc.constant(1), fc.integer({ min: 1, max }));

for (const weightType of ["f32", "f16"] as const) {
  const backend = createGpuBackend(device, { weightType });

  Deno.test(`linear() agrees with the reference on random shapes (WebGPU, ${weightType})`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size(150), size(300), size(150), fc.nat(63)),
        ([M, I, O, choice]) =>
          assertSame(
            backend,
            choice,
            (inputs) =>
              randomLinear(inputs, [M, I, O], someOptions(choice, M, O)),
          ),
      ),
      { numRuns: 100 },
    ));

  Deno.test(`linear() agrees with the reference around the edges of its tiles (WebGPU, ${weightType})`, async () => {
    for (const M of [1, 4, 5, 31, 32, 33, 64, 65, 129]) {
      for (const O of [1, 63, 64, 65, 129]) {
        for (const I of [4, 16, 17]) {
          await assertSame(
            backend,
            M,
            (inputs) => randomLinear(inputs, [M, I, O], someOptions(M, M, O)),
          );
        }
      }
    }
  });
}

Deno.test("linear() uses large tiles where there are many (WebGPU)", () =>
  assertSame(
    gpu,
    0,
    (inputs) => randomLinear(inputs, [129, 5, 128 * 64], () => ({})),
  ));

Deno.test("weights of 16 bits take half the memory", () => {
  const used = (weightType: "f32" | "f16"): number => {
    const backend = createGpuBackend(device, { weightType });
    backend.uploadWeight(new Float32Array(64 * 64), [64, 64]);
    return backend.memoryUsed;
  };
  assertEquals([used("f32"), used("f16")], [4 * 64 * 64, 2 * 64 * 64]);
});

Deno.test("linear() agrees with the reference when rows are long (WebGPU)", async () => {
  for (const M of [1, 3]) {
    await assertSame(
      gpu,
      M,
      (inputs) => randomLinear(inputs, [M, 5003, 9], () => ({})),
    );
  }
});

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

Deno.test("linear() bounds the exponents of its activations (WebGPU)", async () => {
  const huge = [-1e10, -1e4, -100, -20, -0, 0, 20, 100, 1e4, 1e10];
  const shape = [huge.length, 1];
  for (const activation of ["gelu", "gelu_tanh", "quick_gelu"] as const) {
    await assertSame(gpu, 0, (inputs) => {
      const one = inputs.backend.uploadWeight(Float32Array.of(1), [1, 1]);
      const x = inputs.tensor(shape, huge);
      const gate = inputs.tensor(shape, huge.map((z) => z / 1e3));
      return inputs.backend.linear(x, one, { activation, gate });
    });
  }
});

Deno.test("linear() takes weights in parts where they exceed a binding", async () => {
  const parted = backendOn(createContext(device, { bindable: 4096 }));
  const weight = parted.uploadWeight(new Float32Array(25 * 100), [25, 100]);
  assertEquals(partsOf(weight).map(({ start }) => start), [0, 10, 20]);
  for (const choice of [0, 15]) {
    await assertSame(
      parted,
      choice,
      (inputs) =>
        randomLinear(inputs, [5, 101, 37], someOptions(choice, 5, 37)),
    );
  }
});

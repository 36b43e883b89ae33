// `linear` of the GPU backend against the reference on random shapes, around the
// edges of its tiles, and with weights in parts.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  createRandom,
  createReferenceBackend,
  type LinearOptions,
  storedValues,
  type Tensor,
  WEIGHT_TYPES,
  weightBytes,
} from "../core/mod.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import { ROW_LINEAR } from "../gpu/kernels/linear.ts";
import { createGpuBackend } from "../gpu/mod.ts";
import { partsOf } from "../gpu/tensors.ts";
import { assertSame, type Inputs } from "./_parity.ts";
import { device, gpu } from "./_gpu.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

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
  const weight = Float32Array.from(
    { length: O * I },
    () => random.between(-limit, limit),
  );
  const { backend } = inputs;
  return backend.linear(
    inputs.floats([M, I]),
    backend.uploadWeight(weight, [O, I]),
    options((...shape) => inputs.floats(shape)),
  );
}

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

for (const weightType of WEIGHT_TYPES) {
  const backend = createGpuBackend(device, { weightType });
  const oracle = createReferenceBackend({ weightType });

  /** Compares with the reference, which has weights of the same type. */
  const assertAgrees = (
    choice: number,
    [M, I, O]: readonly [M: number, I: number, O: number],
    tested = backend,
  ): Promise<void> =>
    assertSame(
      tested,
      choice,
      (inputs) => randomLinear(inputs, [M, I, O], someOptions(choice, M, O)),
      F32_TOLERANCES.operation,
      oracle,
    );

  Deno.test(`linear() agrees with the reference on random shapes (WebGPU, ${weightType})`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(size(150), size(300), size(150), fc.nat(63)),
        ([M, I, O, choice]) => assertAgrees(choice, [M, I, O]),
      ),
      { numRuns: 100 },
    ));

  Deno.test(`linear() agrees with the reference around the edges of its tiles (WebGPU, ${weightType})`, async () => {
    for (const M of [1, 4, 5, 31, 32, 33, 64, 65, 129]) {
      for (const O of [1, 63, 64, 65, 129]) {
        for (const I of [4, 16, 17]) {
          await assertAgrees(M, [M, I, O]);
        }
      }
    }
  });

  Deno.test(`linear() takes weights in parts where they exceed a binding (WebGPU, ${weightType})`, async () => {
    const [O, I] = [200, 38];
    const bindable = Math.ceil(weightBytes(weightType, [O, I]) / 2.2);
    const parted = backendOn(createContext(device, { bindable, weightType }));
    const weight = parted.uploadWeight(new Float32Array(O * I), [O, I]);
    assert(partsOf(weight).length > 2);
    for (const [choice, M] of [[9, 5], [15, 1]]) {
      await assertAgrees(choice, [M, I, O], parted);
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

  Deno.test(`linear() multiplies with exactly what is stored (WebGPU, ${weightType})`, async () => {
    const [I, O] = [131, 9];
    const random = createRandom(I);
    const weight = Float32Array.from({ length: O * I }, () => random.normal());
    const identity = new Float32Array(I * I);
    for (let i = 0; i < I; i++) identity[i * I + i] = 1;
    const product = await backend.read(backend.linear(
      backend.upload(identity, [I, I]),
      backend.uploadWeight(weight, [O, I]),
    ));
    const stored = storedValues(weightType, weight, I);
    assertEquals(
      product,
      product.map((_, n) => stored[n % O * I + Math.floor(n / O)] + 0),
    );
  });
}

Deno.test("linear() uses large tiles where there are many (WebGPU)", () =>
  assertSame(
    gpu,
    0,
    (inputs) => randomLinear(inputs, [129, 5, 128 * 64], () => ({})),
  ));

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

Deno.test("uploadWeight() splits rows of a weight that exceeds a binding", () => {
  const parted = backendOn(createContext(device, { bindable: 4096 }));
  const weight = parted.uploadWeight(new Float32Array(25 * 100), [25, 100]);
  assertEquals(partsOf(weight).map(({ start }) => start), [0, 10, 20]);
});

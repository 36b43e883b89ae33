// The arithmetic of the reference backend: linear, the norms and rope, worked
// by hand or against their definitions written out here. Operations that move
// rows are in core/reference_rows_test.ts, attention is in core/attention_test.ts.

import { assertEquals, assertThrows } from "@std/assert";
import type { Activation, Tensor } from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import { randomFloats, seededRandom } from "../_random.ts";
import {
  contents,
  indices,
  range,
  reference as backend,
  ROUNDED_ONCE,
  tensor,
  weight,
} from "../_reference.ts";

// upload, read

Deno.test("upload() and read() copy, so that later writes change nothing", async () => {
  const data = Float32Array.of(1, 2);
  const x = backend.upload(data, [2]);
  data[0] = 9;
  const first = await backend.read(x);
  assertEquals([...first], [1, 2]);
  first[0] = 9;
  assertEquals([...await backend.read(x)], [1, 2]);
});

Deno.test("upload() says what is wrong when data and shape differ", () => {
  assertThrows(
    () => backend.upload(new Float32Array(5), [2, 3]),
    TypeError,
    "Cannot upload data as shape [2,3] needs 6 values: got 5",
  );
  assertThrows(
    () => backend.upload(new Int32Array(1), [0, 3]),
    TypeError,
    "Cannot upload data as shape [0,3] needs 0 values: got 1",
  );
});

Deno.test("upload() tells floats from integers", () => {
  assertEquals(backend.upload(new Float32Array(1), [1]).type, "float");
  assertEquals(backend.upload(new Int32Array(1), [1]).type, "index");
});

// linear

Deno.test("linear() multiplies rows by rows of the weight", async () => {
  const x = tensor([2, 2], [1, 2, 3, 4]);
  const matrix = weight([3, 2], [1, 0, 0, 1, 10, -1]);
  assertEquals(await contents(backend.linear(x, matrix)), {
    shape: [2, 3],
    values: [1, 2, 8, 3, 4, 26],
  });
});

Deno.test("linear() adds the bias, applies the activation, then adds the residual", async () => {
  // 1 · 3 − 2 = 1; f(1); f(1) + 10. With a bias after f, or f after the
  // residual, another number comes out.
  const x = tensor([1, 1], [1]);
  const three = weight([1, 1], [3]);
  const bias = tensor([1], [-2]);
  const residual = tensor([1, 1], [10]);
  const at1: [Activation, number][] = [
    ["gelu", 0.8413447460685429], // the normal distribution function at 1
    ["gelu_tanh", 0.8411919906082768],
    ["quick_gelu", 0.8457957659328212], // the logistic function at 1.702
  ];
  for (const [activation, expected] of at1) {
    const out = backend.linear(x, three, { bias, activation, residual });
    assertClose(
      await backend.read(out),
      [10 + expected],
      ROUNDED_ONCE,
      activation,
    );
  }
});

Deno.test("linear() activations vanish far below zero and pass far above", async () => {
  const x = tensor([3, 1], [-100, 0, 100]);
  const one = weight([1, 1], [1]);
  for (const activation of ["gelu", "gelu_tanh", "quick_gelu"] as const) {
    const out = await backend.read(backend.linear(x, one, { activation }));
    assertClose(out, [0, 0, 100], { absolute: 1e-30 }, activation);
  }
});

Deno.test("linear() multiplies by the SiLU of the gate before the residual", async () => {
  // silu(0) = 0; silu(1) = .7311; silu(±1000) neither overflows nor is NaN.
  const x = tensor([4, 1], [5, 2, 3, 3]);
  const gate = tensor([4, 1], [0, 1, 1000, -1000]);
  const residual = tensor([4, 1], [0, 1, 0, 0]);
  const out = backend.linear(x, weight([1, 1], [1]), { gate, residual });
  assertClose(
    await backend.read(out),
    [0, 2.4621171572600098, 3000, 0],
    ROUNDED_ONCE,
  );
});

Deno.test("linear() agrees with three plain loops at every edge of its blocks", async () => {
  const random = seededRandom(1);
  for (let M = 1; M <= 9; M++) {
    for (let O = 1; O <= 5; O++) {
      for (const I of [1, 4, 7]) {
        const x = randomFloats(random, M * I);
        const matrix = randomFloats(random, O * I);
        const bias = randomFloats(random, O);
        const residual = randomFloats(random, M * O);
        const expected: number[] = [];
        for (let m = 0; m < M; m++) {
          for (let o = 0; o < O; o++) {
            let sum = 0;
            for (let i = 0; i < I; i++) sum += x[m * I + i] * matrix[o * I + i];
            sum += bias[o];
            expected.push(sum / (1 + Math.exp(-1.702 * sum)));
          }
        }
        const actual = backend.linear(
          tensor([M, I], x),
          weight([O, I], matrix),
          {
            bias: tensor([O], bias),
            activation: "quick_gelu",
            residual: tensor([M, O], residual),
          },
        );
        assertClose(
          await backend.read(actual),
          expected.map((value, i) => value + residual[i]),
          ROUNDED_ONCE,
          `M ${M}, O ${O}, I ${I}`,
        );
      }
    }
  }
});

Deno.test("linear() treats all leading dimensions as rows", async () => {
  const random = seededRandom(2);
  const matrix = weight([2, 3], randomFloats(random, 6));
  const x = randomFloats(random, 30);
  const flat = await contents(backend.linear(tensor([10, 3], x), matrix));
  const deep = await contents(backend.linear(tensor([2, 5, 3], x), matrix));
  assertEquals(deep, { shape: [2, 5, 2], values: flat.values });
  const none = backend.linear(tensor([2, 0, 3], []), matrix);
  assertEquals(await contents(none), { shape: [2, 0, 2], values: [] });
});

Deno.test("linear() sums in 64 bits and rounds once", async () => {
  // In 32 bits 1e8 + 1 = 1e8.
  const x = tensor([1, 3], [1e8, 1, -1e8]);
  const ones = weight([1, 3], [1, 1, 1]);
  assertEquals([...await backend.read(backend.linear(x, ones))], [1]);
  // In 32 bits 2²⁴ + 1 = 2²⁴, twice.
  const out = backend.linear(tensor([1, 1], [2 ** 24]), weight([1, 1], [1]), {
    bias: tensor([1], [1]),
    residual: tensor([1, 1], [1]),
  });
  assertEquals([...await backend.read(out)], [2 ** 24 + 2]);
});

// norms

Deno.test("layerNorm() of rows worked by hand", async () => {
  // Means 2 and 20; variances 1 and 100.
  const x = tensor([2, 2], [1, 3, 30, 10]);
  const weight = tensor([2], [5, 7]);
  const bias = tensor([2], [0.5, -0.5]);
  assertClose(
    await backend.read(backend.layerNorm(x, weight, bias, 0)),
    [-4.5, 6.5, 5.5, -7.5],
    ROUNDED_ONCE,
  );
  // ε stands under the root: √(1 + 3) = 2.
  assertClose(
    await backend.read(
      backend.layerNorm(tensor([1, 2], [1, 3]), weight, bias, 3),
    ),
    [-2, 3],
    ROUNDED_ONCE,
  );
});

Deno.test("layerNorm() gives the bias when a row is constant", async () => {
  const x = tensor([1, 1, 3], [1e6, 1e6, 1e6]);
  const out = backend.layerNorm(
    x,
    tensor([3], [1, 1, 1]),
    tensor([3], [1, 2, 3]),
    1e-5,
  );
  const { shape, values } = await contents(out);
  assertEquals(shape, [1, 1, 3]);
  assertClose(values, [1, 2, 3], { absolute: 1e-5 });
});

Deno.test("rmsNorm() of rows worked by hand", async () => {
  // Mean squares 25 and 100. The mean is not taken away.
  const x = tensor([2, 2], [1, 7, 10, -10]);
  const weight = tensor([2], [5, 10]);
  assertClose(
    await backend.read(backend.rmsNorm(x, weight, 0)),
    [1, 14, 5, -10],
    ROUNDED_ONCE,
  );
  // ε stands under the root: √(25 + 11) = 6.
  assertClose(
    await backend.read(backend.rmsNorm(tensor([1, 2], [1, 7]), weight, 11)),
    [5 / 6, 70 / 6],
    ROUNDED_ONCE,
  );
});

Deno.test("rmsNorm() of zeros is zero", async () => {
  const out = backend.rmsNorm(
    tensor([1, 2], [0, 0]),
    tensor([2], [1, 1]),
    1e-6,
  );
  assertEquals([...await backend.read(out)], [0, 0]);
});

// rope

/** 1e4^(−2e/8): the frequencies of LLaMA at head width 8. */
const FREQUENCIES = tensor([4], [1, 0.1, 0.01, 0.001]);
const TURNS = { absolute: 5e-7 };

function rotate(values: ArrayLike<number>, position: number): Tensor {
  return backend.rope(
    tensor([1, 1, values.length], Array.from(values)),
    indices([1, 1], [position]),
    FREQUENCIES,
  );
}

Deno.test("rope() pairs element e with e + E/2, worked by hand", async () => {
  // Two heads of width 4; position 1. (1, 3) makes a quarter turn: (−3, 1).
  // (2, 4) does not turn. Neighbours as pairs would give −2, 1, 3, 4.
  const out = backend.rope(
    tensor([1, 1, 8], [1, 2, 3, 4, 10, 20, 30, 40]),
    indices([1, 1], [1]),
    tensor([2], [Math.PI / 2, 0]),
  );
  assertClose(
    await backend.read(out),
    [-3, 2, 1, 4, -30, 20, 10, 40],
    { absolute: 3e-6 }, // π/2 is rounded to 32 bits
  );
});

Deno.test("rope() turns by position · frequency, whatever the place in the sequence", async () => {
  const positions = [0, 7, 1000, 3, 3, 0];
  const x = tensor(
    [2, 3, 8],
    positions.flatMap(() => [1, 1, 1, 1, 0, 0, 0, 0]),
  );
  const out = backend.rope(x, indices([2, 3], positions), FREQUENCIES);
  const angles = (p: number) =>
    [1, 0.1, 0.01, 0.001].map((f) => p * Math.fround(f));
  assertClose(
    await backend.read(out),
    positions.flatMap((p) => [
      ...angles(p).map(Math.cos),
      ...angles(p).map(Math.sin),
    ]),
    ROUNDED_ONCE,
  );
});

Deno.test("rope() at position 0 changes nothing", async () => {
  const values = randomFloats(seededRandom(3), 16);
  assertEquals(await backend.read(rotate(values, 0)), values);
});

Deno.test("rope() by p is rope() by p/2 twice", async () => {
  const values = randomFloats(seededRandom(4), 16);
  for (const p of [2, 74, 998]) {
    const half = await backend.read(rotate(values, p / 2));
    assertClose(
      await backend.read(rotate(half, p / 2)),
      await backend.read(rotate(values, p)),
      TURNS,
      `position ${p}`,
    );
  }
});

Deno.test("rope() preserves the norm of every pair", async () => {
  const values = randomFloats(seededRandom(5), 16);
  const norms = (x: Float32Array) =>
    range(16).filter((i) => i % 8 < 4).map((i) => Math.hypot(x[i], x[i + 4]));
  const turned = await backend.read(rotate(values, 577));
  assertClose(norms(turned), norms(values), TURNS);
});

Deno.test("rope() makes dot products depend on the difference of positions alone", async () => {
  const random = seededRandom(6);
  const q = randomFloats(random, 8);
  const k = randomFloats(random, 8);
  const dotAt = async (pq: number, pk: number): Promise<number> => {
    const rotatedQ = await backend.read(rotate(q, pq));
    const rotatedK = await backend.read(rotate(k, pk));
    return rotatedQ.reduce((sum, value, i) => sum + value * rotatedK[i], 0);
  };
  const near = await dotAt(10, 3);
  assertClose([await dotAt(1007, 1000)], [near], { absolute: 2e-6 });
  // And they do depend on it.
  assertEquals(Math.abs(await dotAt(11, 3) - near) > 1e-3, true);
});

/** `linear`, with weights of any type, against the reference. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Activation,
  type Backend,
  createRandom,
  createReferenceBackend,
  multiplyInBlocks,
  storedValues,
  type Tensor,
  type WeightType,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";
import { check, size } from "./shapes.ts";

/** Inputs of `linear` on the host; see `LinearOptions`. */
export interface LinearInputs {
  readonly M: number;
  readonly I: number;
  readonly O: number;
  readonly x: Float32Array;
  readonly weight: Float32Array;
  readonly bias?: Float32Array | undefined;
  readonly activation?: Activation | undefined;
  readonly gate?: Float32Array | undefined;
  readonly residual?: Float32Array | undefined;
}

/** `linear` with weights of one type. */
export interface Linear {
  readonly name: string;
  readonly weightType: WeightType;
  readonly run: (
    inputs: LinearInputs,
  ) => Float32Array | Promise<Float32Array>;
}

/** `linear` of a backend that was made for weights of this type. */
export function linearOf(backend: Backend, weightType: WeightType): Linear {
  async function run(inputs: LinearInputs): Promise<Float32Array> {
    const { M, I, O, activation } = inputs;
    const upload = (data: Float32Array | undefined, ...shape: number[]) =>
      data && backend.upload(data, shape);
    const y = backend.scope(() => {
      const options = Object.entries({
        bias: upload(inputs.bias, O),
        activation,
        gate: upload(inputs.gate, M, O),
        residual: upload(inputs.residual, M, O),
      });
      return backend.linear(
        upload(inputs.x, M, I) as Tensor,
        backend.uploadWeight(inputs.weight, [O, I]),
        Object.fromEntries(options.filter(([, value]) => value)),
      );
    });
    const values = await backend.read(y);
    backend.free([y]);
    return values;
  }
  return { name: backend.name, weightType, run };
}

/**
 * Inputs for which no number on the way is much larger than one, so that the
 * table's absolute tolerance, made for numbers near one, applies.
 */
export function randomLinear(
  [M, I, O]: readonly [M: number, I: number, O: number],
  seed = 0,
): LinearInputs {
  const random = createRandom(M, I, O ^ seed);
  const uniform = (length: number, limit = 1): Float32Array =>
    Float32Array.from({ length }, () => random.between(-limit, limit));
  const maybe = (length: number): Float32Array | undefined =>
    random.below(2) ? uniform(length) : undefined;
  return {
    M,
    I,
    O,
    x: uniform(M * I),
    weight: uniform(O * I, 1 / Math.sqrt(I)),
    bias: maybe(O),
    activation: random.pick([undefined, "gelu", "gelu_tanh", "quick_gelu"]),
    gate: maybe(M * O),
    residual: maybe(M * O),
  };
}

/** Compares with the reference, which has weights of the same type. */
export async function assertSameLinear(
  { run, weightType }: Linear,
  inputs: LinearInputs,
): Promise<void> {
  const { M, I, O } = inputs;
  const reference = createReferenceBackend({
    weightType,
    product: multiplyInBlocks,
  });
  assertClose(
    await run(inputs),
    await linearOf(reference, weightType).run(inputs),
    F32_TOLERANCES.operation,
    `${M} x ${I} -> ${O}`,
  );
}

/** Which shapes to test. */
export interface LinearTests {
  /** Random ones. */
  readonly runs: number;
  /** The largest M, I and O of these. */
  readonly largest: readonly [M: number, I: number, O: number];
  /** All combinations of these: around the edges of what is computed at once. */
  readonly edges: Readonly<Record<"M" | "I" | "O", readonly number[]>>;
}

/** Tests `linear` on random and chosen shapes, and on chosen values. */
export function testLinear(
  linear: Linear,
  { runs, largest, edges }: LinearTests,
): void {
  const { name, weightType, run } = linear;

  Deno.test(`linear() agrees with the reference on random shapes (${name})`, () => {
    const [M, I, O] = largest;
    return check(
      runs,
      fc.tuple(fc.tuple(size(M), size(I), size(O)), fc.nat()),
      ([shape, seed]) => assertSameLinear(linear, randomLinear(shape, seed)),
    );
  });

  Deno.test(`linear() agrees with the reference around the edges of its tiles (${name})`, async () => {
    for (const M of edges.M) {
      for (const I of edges.I) {
        for (const O of edges.O) {
          await assertSameLinear(linear, randomLinear([M, I, O]));
        }
      }
    }
  });

  Deno.test(`linear() agrees with the reference when weights are large (${name})`, async () => {
    for (
      const [M, I, O] of [
        [7, 2048, 100],
        [2, 9001, 20],
        [1, 1024, 300],
        [1, 5003, 9],
      ]
    ) {
      await assertSameLinear(linear, randomLinear([M, I, O]));
    }
  });

  Deno.test(`linear() multiplies with exactly what is stored (${name})`, async () => {
    for (const [I, O] of [[1, 3], [70, 19], [129, 8], [131, 9]]) {
      const { weight } = randomLinear([1, I, O]);
      const stored = storedValues(weightType, weight, I);
      const x = new Float32Array(I * I);
      for (let i = 0; i < I; i++) x[i * I + i] = 1;
      const product = await run({ M: I, I, O, x, weight });
      assertEquals(
        product,
        product.map((_, n) => stored[n % O * I + Math.floor(n / O)] + 0),
      );
    }
  });

  Deno.test(`linear() does bias, activation, gate and residual in this order (${name})`, async () => {
    const [x, weight] = [Float32Array.of(3), Float32Array.of(2)];
    const [bias, gate, residual] = [-4, 5, 100].map((v) => Float32Array.of(v));
    const out = await run({
      M: 1,
      I: 1,
      O: 1,
      x,
      weight,
      bias,
      gate,
      residual,
      activation: "quick_gelu",
    });
    const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
    // 3 · 2 − 4 = 2; 2 σ(1.702 · 2); times 5 σ(5); plus 100.
    const value = 2 * sigmoid(3.404) * (5 * sigmoid(5)) + 100;
    assertClose(out, [value], F32_TOLERANCES.operation);
  });

  Deno.test(`linear() bounds the exponents of its activations (${name})`, async () => {
    const x = Float32Array.of(
      ...[-1e10, -1e4, -100, -20, -0, 0, 20, 100, 1e4, 1e10],
    );
    for (const activation of ["gelu", "gelu_tanh", "quick_gelu"] as const) {
      await assertSameLinear(linear, {
        M: x.length,
        I: 1,
        O: 1,
        x,
        weight: Float32Array.of(1),
        activation,
        gate: x.map((z) => z / 1e3),
      });
    }
  });
}

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import {
  type Activation,
  createRandom,
  createReferenceBackend,
  type Tensor,
} from "../core/mod.ts";
import { Module } from "../cpu/assembler.ts";
import {
  activationCode,
  addLinear,
  packedSize,
  packWeight,
} from "../cpu/kernels/linear.ts";
import { vectorMath } from "../cpu/kernels/math.ts";
import {
  type MultiplyAdd,
  multiplyThenAdd,
  relaxedMultiplyAdd,
} from "../cpu/relaxed.ts";
import { assertClose } from "./_compare.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

/** Inputs of `linear` on the host; see `LinearOptions`. */
interface Inputs {
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

type Linear = (inputs: Inputs) => Float32Array;

const PAGES = 256;
/** Stands in memory where the kernel has no business. */
const GUARD = 12345;

/**
 * `linear` in a module and a memory of its own. Every array is followed by
 * guards, which must stay as they are.
 */
function createLinear(madd: MultiplyAdd): Linear {
  const module = new Module();
  module.exportMemory("memory", { initial: PAGES, maximum: PAGES });
  addLinear(module, madd, vectorMath(madd));
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(module.encode()),
  );
  const memory = exports.memory as WebAssembly.Memory;
  const linear = exports.linear as (...args: number[]) => void;
  const floats = new Float32Array(memory.buffer);

  return ({ M, I, O, x, weight, bias, activation, gate, residual }) => {
    let end = 16; // address 0 means that there is none
    const guards: number[] = [];
    const place = (size: number): Float32Array => {
      const place = floats.subarray(end, end + size);
      guards.push(...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => end + size + i));
      end += size + 8;
      return place;
    };
    const put = (data: Float32Array | undefined): number => {
      if (!data) return 0;
      const at = place(data.length);
      at.set(data);
      return at.byteOffset;
    };
    const packed = place(packedSize(O, I));
    packWeight(packed, weight, O, I);
    const xAt = put(x);
    const [biasAt, gateAt, residualAt] = [put(bias), put(gate), put(residual)];
    const out = place(M * O);
    for (const guard of guards) floats[guard] = GUARD;
    linear(
      ...[xAt, packed.byteOffset, out.byteOffset, M, I, O],
      ...[biasAt, activationCode(activation), gateAt, residualAt],
    );
    for (const guard of guards) assertEquals(floats[guard], GUARD);
    return out.slice();
  };
}

const relaxed = createLinear(relaxedMultiplyAdd);
const plain = createLinear(multiplyThenAdd);

const reference = createReferenceBackend();

async function expected(inputs: Inputs): Promise<Float32Array> {
  const { M, I, O, activation } = inputs;
  const upload = (data: Float32Array | undefined, ...shape: number[]) =>
    data && reference.upload(data, shape);
  const options = {
    bias: upload(inputs.bias, O),
    activation,
    gate: upload(inputs.gate, M, O),
    residual: upload(inputs.residual, M, O),
  };
  const given = Object.entries(options).filter(([, value]) => value);
  return await reference.read(
    reference.linear(
      upload(inputs.x, M, I) as Tensor,
      reference.uploadWeight(inputs.weight, [O, I]),
      Object.fromEntries(given),
    ),
  );
}

/**
 * Inputs for which no number on the way is much larger than one, so that the
 * table's absolute tolerance, made for numbers near one, applies.
 */
function randomInputs(
  M: number,
  I: number,
  O: number,
  seed: number,
): Inputs {
  const random = createRandom(M, I, O ^ seed);
  const uniform = (length: number, limit = 1): Float32Array =>
    Float32Array.from({ length }, () => random.between(-limit, limit));
  const maybe = (length: number): Float32Array | undefined =>
    random.below(2) ? uniform(length) : undefined;
  return {
    ...{ M, I, O, x: uniform(M * I), weight: uniform(O * I, 1 / Math.sqrt(I)) },
    bias: maybe(O),
    activation: random.pick([undefined, "gelu", "gelu_tanh", "quick_gelu"]),
    gate: maybe(M * O),
    residual: maybe(M * O),
  };
}

const shapes = fc.tuple(
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 1, max: 150 }),
  fc.integer({ min: 1, max: 70 }),
  fc.nat(),
);

for (
  const [name, linear] of [["relaxed", relaxed], ["plain", plain]] as const
) {
  Deno.test(`linear() agrees with the reference on random shapes, ${name} multiply-add`, async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ([M, I, O, seed]) => {
        const inputs = randomInputs(M, I, O, seed);
        assertClose(
          linear(inputs),
          await expected(inputs),
          F32_TOLERANCES.operation,
          `${M} x ${I} -> ${O}`,
        );
      }),
      { numRuns: 300 },
    );
  });
}

Deno.test("linear() agrees with the reference on all small shapes", async () => {
  for (let M = 1; M <= 13; M++) {
    for (const I of [1, 2, 7, 8, 9, 16, 17]) {
      for (const O of [1, 3, 4, 5, 8, 9, 16, 23, 24, 47, 48, 49, 96, 97]) {
        const inputs = randomInputs(M, I, O, 0);
        assertClose(
          relaxed(inputs),
          await expected(inputs),
          F32_TOLERANCES.operation,
          `${M} x ${I} -> ${O}`,
        );
      }
    }
  }
});

Deno.test("linear() agrees with the reference when weights take several blocks of cache", async () => {
  for (const [M, I, O] of [[7, 2048, 100], [2, 9000, 20], [1, 1024, 300]]) {
    const inputs = randomInputs(M, I, O, 1);
    assertClose(
      relaxed(inputs),
      await expected(inputs),
      F32_TOLERANCES.operation,
      `${M} x ${I} -> ${O}`,
    );
  }
});

Deno.test("linear() gives a row the same bits whatever rows are beside it", () => {
  for (const linear of [relaxed, plain]) {
    for (const [I, O] of [[1, 1], [37, 53], [128, 384], [2048, 70]]) {
      const all = randomInputs(13, I, O, 2);
      const together = linear(all);
      for (let M = 1; M <= 13; M++) {
        for (const first of new Set([0, 13 - M])) {
          const rows = (data: Float32Array | undefined, width: number) =>
            data?.slice(first * width, (first + M) * width);
          const alone = linear({
            ...all,
            M,
            x: rows(all.x, I)!,
            gate: rows(all.gate, O),
            residual: rows(all.residual, O),
          });
          assertEquals(alone, rows(together, O));
        }
      }
    }
  }
});

Deno.test("linear() does bias, activation, gate and residual in this order", () => {
  const [x, weight] = [Float32Array.of(3), Float32Array.of(2)];
  const [bias, gate, residual] = [-4, 5, 100].map((v) => Float32Array.of(v));
  const [out] = relaxed({
    ...{ M: 1, I: 1, O: 1, x, weight, bias, gate, residual },
    activation: "quick_gelu",
  });
  const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
  // 3 · 2 − 4 = 2; 2 σ(1.702 · 2); times 5 σ(5); plus 100.
  const value = 2 * sigmoid(3.404) * (5 * sigmoid(5)) + 100;
  assertClose([out], [value], F32_TOLERANCES.operation);
});

Deno.test("linear() lets infinity and NaN through", () => {
  const x = Float32Array.of(Infinity, 1, NaN, 1, 1, 1);
  const weight = Float32Array.of(1, 2, 0, 1);
  const out = relaxed({ M: 3, I: 2, O: 2, x, weight });
  assertEquals([...out], [Infinity, NaN, NaN, NaN, 3, 1]);
});

Deno.test("packWeight() puts 8 outputs side by side and fills up with zeros", () => {
  const [O, I] = [9, 2];
  // Weight o, i is 10 o + i.
  const weight = Float32Array.from(
    { length: O * I },
    (_, n) => 10 * Math.floor(n / I) + n % I,
  );
  const packed = new Float32Array(packedSize(O, I)).fill(NaN);
  packWeight(packed, weight, O, I);
  assertEquals([...packed], [
    ...[0, 10, 20, 30, 40, 50, 60, 70],
    ...[1, 11, 21, 31, 41, 51, 61, 71],
    ...[80, 0, 0, 0, 0, 0, 0, 0],
    ...[81, 0, 0, 0, 0, 0, 0, 0],
  ]);
});

Deno.test("activationCode() tells activations apart", () => {
  const codes = [undefined, "gelu", "gelu_tanh", "quick_gelu"] as const;
  assert(new Set(codes.map(activationCode)).size === codes.length);
  assertEquals(activationCode(), 0);
});

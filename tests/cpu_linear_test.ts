import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import {
  type Activation,
  createRandom,
  createReferenceBackend,
  storedValues,
  type Tensor,
  WEIGHT_TYPES,
  type WeightType,
} from "../core/mod.ts";
import { Module } from "../cpu/assembler.ts";
import {
  activationCode,
  addLinear,
  linearScratch,
} from "../cpu/kernels/linear.ts";
import { packedBytes, packRows } from "../cpu/kernels/linear_pack.ts";
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

/** `linear` of weights of one type. */
interface Linear {
  readonly name: string;
  readonly weightType: WeightType;
  readonly run: (inputs: Inputs) => Float32Array;
}

const PAGES = 256;
/** Stands in memory where the kernel has no business. */
const GUARD = 12345;

/**
 * `linear` in a module and a memory of its own. Every array is followed by
 * guards, which must stay as they are.
 */
function createLinear(
  name: string,
  madd: MultiplyAdd,
  weightType: WeightType,
): Linear {
  const module = new Module();
  module.exportMemory("memory", { initial: PAGES, maximum: PAGES });
  addLinear(module, madd, { math: vectorMath(madd), weightType });
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(module.encode()),
  );
  const memory = exports.memory as WebAssembly.Memory;
  const linear = exports.linear as (...args: number[]) => void;
  const floats = new Float32Array(memory.buffer);

  function run(
    { M, I, O, x, weight, bias, activation, gate, residual }: Inputs,
  ): Float32Array {
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
    const shape = [O, I];
    const packed = place(packedBytes(weightType, shape) / 4).fill(0);
    packRows(bitsOf(packed), weight, { type: weightType, width: I, start: 0 });
    const scratch = place(linearScratch(weightType, M, shape) / 4);
    const xAt = put(x);
    const [biasAt, gateAt, residualAt] = [put(bias), put(gate), put(residual)];
    const out = place(M * O);
    for (const guard of guards) floats[guard] = GUARD;
    linear(
      ...[xAt, packed.byteOffset, out.byteOffset, M, I, O],
      ...[biasAt, activationCode(activation), gateAt, residualAt],
      scratch.byteOffset,
    );
    for (const guard of guards) assertEquals(floats[guard], GUARD);
    return out.slice();
  }

  return { name: `${weightType}, ${name} multiply-add`, weightType, run };
}

/** The same memory as integers. */
function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

const LINEARS = WEIGHT_TYPES.flatMap((weightType) => [
  createLinear("relaxed", relaxedMultiplyAdd, weightType),
  createLinear("plain", multiplyThenAdd, weightType),
]);
/** Of weights as they are given. */
const [relaxed] = LINEARS;

const references = Object.fromEntries(
  WEIGHT_TYPES.map((type) => [
    type,
    createReferenceBackend({ weightType: type }),
  ]),
);

async function expected(
  inputs: Inputs,
  weightType: WeightType,
): Promise<Float32Array> {
  const reference = references[weightType];
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

/** Compares with the reference, which has weights of the same type. */
async function assertAgrees(
  { run, weightType }: Linear,
  inputs: Inputs,
): Promise<void> {
  const { M, I, O } = inputs;
  assertClose(
    run(inputs),
    await expected(inputs, weightType),
    F32_TOLERANCES.operation,
    `${M} x ${I} -> ${O}`,
  );
}

for (const linear of LINEARS) {
  Deno.test(`linear() agrees with the reference on random shapes (${linear.name})`, () =>
    fc.assert(
      fc.asyncProperty(
        shapes,
        ([M, I, O, seed]) => assertAgrees(linear, randomInputs(M, I, O, seed)),
      ),
      { numRuns: 300 },
    ));

  Deno.test(`linear() gives a row the same bits whatever rows are beside it (${linear.name})`, () => {
    for (const [I, O] of [[1, 1], [37, 53], [128, 384], [2048, 70]]) {
      const all = randomInputs(13, I, O, 2);
      const together = linear.run(all);
      for (let M = 1; M <= 13; M++) {
        for (const first of new Set([0, 13 - M])) {
          const rows = (data: Float32Array | undefined, width: number) =>
            data?.slice(first * width, (first + M) * width);
          const alone = linear.run({
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
  });

  Deno.test(`linear() multiplies with exactly what is stored (${linear.name})`, () => {
    const { weightType } = linear;
    for (const [I, O] of [[1, 3], [70, 19], [129, 8]]) {
      const weight = randomInputs(1, I, O, 3).weight;
      const stored = storedValues(weightType, weight, I);
      for (let i = 0; i < I; i++) {
        const x = new Float32Array(I);
        x[i] = 1;
        const column = stored.filter((_, n) => n % I === i);
        assertEquals(linear.run({ M: 1, I, O, x, weight }), column);
      }
    }
  });

  if (linear.name.includes("plain")) continue;

  Deno.test(`linear() agrees with the reference on all small shapes (${linear.weightType})`, async () => {
    for (let M = 1; M <= 13; M++) {
      for (const I of [1, 2, 7, 8, 9, 16, 17]) {
        for (const O of [1, 3, 4, 5, 8, 9, 16, 23, 24, 47, 48, 49, 96, 97]) {
          await assertAgrees(linear, randomInputs(M, I, O, 0));
        }
      }
    }
  });

  Deno.test(`linear() agrees with the reference when weights take several blocks of cache (${linear.weightType})`, async () => {
    for (const [M, I, O] of [[7, 2048, 100], [2, 9000, 20], [1, 1024, 300]]) {
      await assertAgrees(linear, randomInputs(M, I, O, 1));
    }
  });
}

Deno.test("linear() multiplies with every finite half as it is, whatever is beside it", () => {
  const halves = new Float16Array(
    Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer,
  );
  const finite = Float32Array.from(halves).filter(Number.isFinite);
  const linear = LINEARS.find(({ weightType }) => weightType === "f16")!;
  const alone = { M: 1, I: 1, O: finite.length, x: Float32Array.of(1) };
  assertEquals(linear.run({ ...alone, weight: finite }), plusZero(finite));
  // Large and small ones in each of 62 rows.
  const [I, O] = [1024, finite.length / 1024];
  const weight = finite.map((_, n) => finite[n % I * O + Math.floor(n / I)]);
  const x = new Float32Array(I * I);
  for (let i = 0; i < I; i++) x[i * I + i] = 1;
  assertEquals(linear.run({ M: I, I, O, x, weight }), plusZero(finite));
});

/** The same with 0 for −0, which no sum that began with 0 is. */
function plusZero(values: Float32Array): Float32Array {
  return values.map((value) => value + 0);
}

Deno.test("linear() does bias, activation, gate and residual in this order", () => {
  const [x, weight] = [Float32Array.of(3), Float32Array.of(2)];
  const [bias, gate, residual] = [-4, 5, 100].map((v) => Float32Array.of(v));
  const [out] = relaxed.run({
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
  const out = relaxed.run({ M: 3, I: 2, O: 2, x, weight });
  assertEquals([...out], [Infinity, NaN, NaN, NaN, 3, 1]);
});

Deno.test("packRows() puts 8 outputs side by side and fills up with zeros", () => {
  const [O, I] = [9, 2];
  // Weight o, i is 10 o + i.
  const weight = Float32Array.from(
    { length: O * I },
    (_, n) => 10 * Math.floor(n / I) + n % I,
  );
  const shape = [O, I];
  const packed = new Float32Array(packedBytes("f32", shape) / 4);
  // In two pieces, the second of which begins within a panel.
  for (const start of [0, 3]) {
    const rows = weight.subarray(start * I, start === 0 ? 3 * I : O * I);
    packRows(bitsOf(packed), rows, { type: "f32", width: I, start });
  }
  assertEquals([...packed], [
    ...[0, 10, 20, 30, 40, 50, 60, 70],
    ...[1, 11, 21, 31, 41, 51, 61, 71],
    ...[80, 0, 0, 0, 0, 0, 0, 0],
    ...[81, 0, 0, 0, 0, 0, 0, 0],
  ]);
});

Deno.test("packRows() puts 8 scales before words of 8 outputs, and inputs into words from the lowest bits up", () => {
  const [O, I] = [2, 66];
  // Inputs 0, 1, 7 and 65 of output 1; on the grid, the scales being 2 and 1.
  const weight = new Float32Array(O * I);
  for (const [i, value] of [[0, -16], [1, 4], [7, 2], [65, 7]]) {
    weight[I + i] = value;
  }
  const shape = [O, I];
  const packed = new Uint32Array(packedBytes("int4", shape) / 4);
  for (const start of [0, 1]) {
    const row = weight.subarray(start * I, (start + 1) * I);
    packRows(packed, row, { type: "int4", width: I, start });
  }
  const floats = new Float32Array(packed.buffer);
  const second = 8 + 64; // words before the second group
  assertEquals(packed.length, second + 8 + 8);
  assertEquals([floats[1], floats[second + 1]], [2, 1]);
  assertEquals(packed[8 + 1], 0x10000028);
  assertEquals(packed[second + 8 + 1], 0x00000070);
  assertEquals(packed[8], 0);
});

Deno.test("activationCode() tells activations apart", () => {
  const codes = [undefined, "gelu", "gelu_tanh", "quick_gelu"] as const;
  assert(new Set(codes.map(activationCode)).size === codes.length);
  assertEquals(activationCode(), 0);
});

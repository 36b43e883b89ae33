// `linear` of the CPU backend: the kernel in a memory of its own, with guards
// around all that it may write, against the reference; and packed weights.

import { assert, assertEquals } from "@std/assert";
import { WEIGHT_TYPES, type WeightType } from "../../core/mod.ts";
import { Module } from "../../cpu/assembler.ts";
import {
  activationCode,
  addLinear,
  linearScratch,
} from "../../cpu/kernels/linear.ts";
import { packedBytes, packRows } from "../../cpu/kernels/linear_pack.ts";
import { vectorMath } from "../../cpu/kernels/math.ts";
import {
  type MultiplyAdd,
  multiplyThenAdd,
  relaxedMultiplyAdd,
} from "../../cpu/relaxed.ts";
import {
  type Linear,
  type LinearInputs,
  randomLinear,
  testLinear,
} from "../_operations/linear.ts";

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
    { M, I, O, x, weight, bias, activation, gate, residual }: LinearInputs,
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

for (const linear of LINEARS) {
  testLinear(linear, {
    runs: 300,
    largest: [20, 150, 70],
    edges: {
      M: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
      I: [1, 2, 7, 8, 9, 16, 17],
      O: [1, 3, 4, 5, 8, 9, 16, 23, 24, 47, 48, 49, 96, 97],
    },
  });

  Deno.test(`linear() gives a row the same bits whatever rows are beside it (${linear.name})`, async () => {
    for (const [I, O] of [[1, 1], [37, 53], [128, 384], [2048, 70]]) {
      const all = randomLinear([13, I, O], 2);
      const together = await linear.run(all);
      for (let M = 1; M <= 13; M++) {
        for (const first of new Set([0, 13 - M])) {
          const rows = (data: Float32Array | undefined, width: number) =>
            data?.slice(first * width, (first + M) * width);
          const alone = await linear.run({
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
}

Deno.test("linear() multiplies with every finite half as it is, whatever is beside it", async () => {
  const halves = new Float16Array(
    Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer,
  );
  const finite = Float32Array.from(halves).filter(Number.isFinite);
  const linear = LINEARS.find(({ weightType }) => weightType === "f16")!;
  const alone = { M: 1, I: 1, O: finite.length, x: Float32Array.of(1) };
  assertEquals(
    await linear.run({ ...alone, weight: finite }),
    plusZero(finite),
  );
  // Large and small ones in each of 62 rows.
  const [I, O] = [1024, finite.length / 1024];
  const weight = finite.map((_, n) => finite[n % I * O + Math.floor(n / I)]);
  const x = new Float32Array(I * I);
  for (let i = 0; i < I; i++) x[i * I + i] = 1;
  assertEquals(await linear.run({ M: I, I, O, x, weight }), plusZero(finite));
});

/** The same with 0 for −0, which no sum that began with 0 is. */
function plusZero(values: Float32Array): Float32Array {
  return values.map((value) => value + 0);
}

Deno.test("linear() lets infinity and NaN through", async () => {
  const x = Float32Array.of(Infinity, 1, NaN, 1, 1, 1);
  const weight = Float32Array.of(1, 2, 0, 1);
  const [relaxed] = LINEARS;
  const out = await relaxed.run({ M: 3, I: 2, O: 2, x, weight });
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

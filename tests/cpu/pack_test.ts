import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { Module } from "../../cpu/assembler.ts";
import {
  packedBytes,
  packRows,
  rowPlace,
} from "../../cpu/kernels/linear_pack.ts";
import { addPackInt4, rowBytes } from "../../cpu/kernels/linear_quantize.ts";
import { randomFloats, randomInteger, seededRandom } from "../_random.ts";

const module = new Module();
module.exportMemory("memory", { initial: 1, maximum: 1 });
addPackInt4(module);
const { exports } = new WebAssembly.Instance(
  new WebAssembly.Module(module.encode()),
);
const { buffer } = exports.memory as WebAssembly.Memory;
const packInt4 = exports.packInt4 as (...args: number[]) => void;

/** Packs rows of I weights by the kernel. */
function packedByKernel(weight: Float32Array, I: number): Uint32Array {
  const O = weight.length / I;
  const bytes = packedBytes("int4", [O, I]);
  const packed = new Uint32Array(buffer, 64, bytes / 4).fill(0);
  const row = new Float32Array(buffer, 64 + bytes, rowBytes(I) / 4).fill(0);
  for (let o = 0; o < O; o++) {
    row.set(weight.subarray(o * I, (o + 1) * I));
    packInt4(64 + rowPlace("int4", I, o), row.byteOffset, I);
  }
  return packed.slice();
}

/** Packs them by plain loops. */
function packedByLoops(weight: Float32Array, I: number): Uint32Array {
  const shape = [weight.length / I, I];
  const packed = new Uint32Array(packedBytes("int4", shape) / 4);
  packRows(packed, weight, { type: "int4", width: I, start: 0 });
  return packed;
}

/** Rows of any magnitude: with zeros, on a grid, of one sign. */
const weights = fc.tuple(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: 10 }),
  fc.integer({ min: -149, max: 120 }),
  fc.constantFrom("any", "grid", "positive", "negative"),
  fc.nat(),
).map(([I, O, exponent, kind, seed]) => {
  const random = seededRandom(seed);
  const draw = (w: number): number => {
    if (random() < 0.1) return 0;
    switch (kind) {
      case "grid":
        return randomInteger(random, -8, 8);
      case "positive":
        return Math.abs(w);
      case "negative":
        return -Math.abs(w);
      default:
        return w;
    }
  };
  const weight = randomFloats(random, O * I).map((w) =>
    draw(w) * 2 ** exponent
  );
  return { I, weight };
});

Deno.test("packInt4 packs what quantizeRows() quantises, to the last bit", () => {
  fc.assert(
    fc.property(weights, ({ I, weight }) => {
      assertEquals(packedByKernel(weight, I), packedByLoops(weight, I));
    }),
    { numRuns: 1000 },
  );
});

import { assertEquals } from "@std/assert";
import {
  type Expression,
  f32,
  f32x4,
  f64x2,
  i32,
  i32x4,
  select,
  shuffle32,
  v128,
} from "../../cpu/assembler.ts";
import {
  bitsOf,
  type Content,
  evaluate,
  floats,
  integers,
  type Lanes,
} from "../_assembler.ts";

/** Two lanes of 64 bits, as bits. */
const doubles = (...lanes: number[]): Int32Array =>
  new Int32Array(Float64Array.from(lanes).buffer);

/** Name of an instruction, operands, and the result. */
type Case<O, R> = readonly [name: string, operands: readonly O[], result: R];

/** Every case holds, and every instruction of the table has one. */
function checkTable<O, R>(
  table: Readonly<Record<string, unknown>>,
  tested: readonly Case<O, R>[],
  testedElsewhere: readonly string[],
  check: (...test: Case<O, R>) => void,
): void {
  for (const test of tested) check(...test);
  assertEquals(
    Object.keys(table).toSorted(),
    [...new Set([...tested.map(([name]) => name), ...testedElsewhere])]
      .toSorted(),
  );
}

Deno.test("i32 instructions do what the specification says", () => {
  checkTable(
    i32,
    [
      ["const", [-2147483648], -2147483648],
      ["eq", [3, 3], 1],
      ["ne", [3, 3], 0],
      ["ltS", [-1, 1], 1],
      ["ltU", [-1, 1], 0],
      ["gtS", [-1, 1], 0],
      ["gtU", [-1, 1], 1],
      ["leS", [-1, -1], 1],
      ["leU", [-1, 1], 0],
      ["geS", [-1, 0], 0],
      ["geU", [-1, 0], 1],
      ["add", [2147483647, 1], -2147483648],
      ["sub", [3, 5], -2],
      ["mul", [-3, 5], -15],
      ["divS", [-7, 2], -3],
      ["divU", [-7, 2], 2147483644],
      ["remS", [-7, 2], -1],
      ["remU", [-7, 2], 1],
      ["and", [12, 10], 8],
      ["or", [12, 10], 14],
      ["xor", [12, 10], 6],
      ["shl", [3, 4], 48],
      ["shrS", [-16, 2], -4],
      ["shrU", [-16, 28], 15],
      ["eqz", [0], 1],
    ],
    ["load", "reinterpretF32"],
    (name, operands, result) => {
      const operation = i32[name as "add"];
      assertEquals(
        evaluate(() => operation(...operands as [number, number])),
        result,
        name,
      );
    },
  );
  assertEquals(evaluate(() => i32.reinterpretF32(1)), 0x3f800000);
});

Deno.test("f32 instructions do what the specification says", () => {
  checkTable(
    f32,
    [
      ["const", [0.1], Math.fround(0.1)],
      ["add", [1, 2 ** -24], 1],
      ["sub", [1, 0.25], 0.75],
      ["mul", [3, -0.5], -1.5],
      ["div", [1, 3], Math.fround(1 / 3)],
      ["min", [-1, 2], -1],
      ["max", [-1, 2], 2],
      ["sqrt", [2], Math.fround(Math.SQRT2)],
      ["eq", [1, 1], 1],
      ["ne", [1, 1], 0],
      ["lt", [1, 2], 1],
      ["gt", [1, 2], 0],
      ["le", [1, 1], 1],
      ["ge", [1, 2], 0],
    ],
    ["load", "convertI32U"],
    (name, operands, result) => {
      const operation = f32[name as "add"];
      assertEquals(
        evaluate(() => operation(...operands as [number, number])),
        result,
        name,
      );
    },
  );
  assertEquals(evaluate(() => f32.convertI32U(-1)), 2 ** 32);
});

/** Runs an instruction on vectors that are read from memory. */
function checkVector(
  operation: unknown,
  name: string,
  operands: readonly (Lanes | number)[],
  result: Lanes | number,
): void {
  const vectors = operands.filter((operand) => typeof operand !== "number");
  const numbers = operands.filter((operand) => typeof operand === "number");
  const value = evaluate(
    () =>
      (operation as (...operands: unknown[]) => Expression<"v128">)(
        ...vectors.map((_, i) => v128.load(16 * (i + 1))),
        ...numbers,
      ),
    vectors,
  );
  assertEquals(
    value,
    typeof result === "number" ? result : bitsOf(result),
    name,
  );
}

Deno.test("v128 instructions do what the specification says", () => {
  const [a, b] = [integers(12, -1, 0, 5), integers(10, 7, 3, 5)];
  checkTable<Lanes, Lanes | number>(
    v128,
    [
      ["and", [a, b], integers(8, 7, 0, 5)],
      ["andnot", [a, b], integers(4, ~7, 0, 0)],
      ["or", [a, b], integers(14, -1, 3, 5)],
      ["xor", [a, b], integers(6, ~7, 3, 0)],
      ["not", [a], integers(-13, 0, -1, -6)],
      ["bitselect", [a, b, integers(-1, 0, 1, 5)], integers(12, 7, 2, 5)],
    ],
    ["load", "load32Splat", "load32Zero", "load64Zero"],
    (name, operands, result) =>
      checkVector(v128[name as "and"], name, operands, result),
  );
});

Deno.test("f32x4 instructions do what the specification says", () => {
  const [a, b] = [floats(1, 2, 3, -4), floats(2, 2, -1, 0.5)];
  const odd = floats(2.5, -1.5, 0.5, -0);
  checkTable<Lanes | number, Lanes | number>(
    f32x4,
    [
      ["const", [7], floats(7, 7, 7, 7)],
      ["const", [1, 2, 3, 4], floats(1, 2, 3, 4)],
      ["eq", [a, b], integers(0, -1, 0, 0)],
      ["ne", [a, b], integers(-1, 0, -1, -1)],
      ["lt", [a, b], integers(-1, 0, 0, -1)],
      ["gt", [a, b], integers(0, 0, -1, 0)],
      ["le", [a, b], integers(-1, -1, 0, -1)],
      ["ge", [a, b], integers(0, -1, -1, 0)],
      ["add", [a, b], floats(3, 4, 2, -3.5)],
      ["sub", [a, b], floats(-1, 0, 4, -4.5)],
      ["mul", [a, b], floats(2, 4, -3, -2)],
      ["div", [a, b], floats(0.5, 1, -3, -8)],
      ["min", [a, b], floats(1, 2, -1, -4)],
      ["max", [a, b], floats(2, 2, 3, 0.5)],
      ["pmin", [a, b], floats(1, 2, -1, -4)],
      ["pmax", [a, b], floats(2, 2, 3, 0.5)],
      ["abs", [odd], floats(2.5, 1.5, 0.5, 0)],
      ["neg", [odd], floats(-2.5, 1.5, -0.5, 0)],
      ["sqrt", [floats(4, 9, 2, 0)], floats(2, 3, Math.SQRT2, 0)],
      [
        "convertI32x4S",
        [integers(3, -8, 0, -2147483648)],
        floats(3, -8, 0, -(2 ** 31)),
      ],
      ["demoteF64x2Zero", [doubles(0.1, -4)], floats(0.1, -4, 0, 0)],
      ["extractLane", [a, 3], -4],
      ["relaxedMadd", [a, b, odd], floats(4.5, 2.5, -2.5, -2)],
    ],
    ["splat"],
    (name, operands, result) =>
      checkVector(f32x4[name as "add"], name, operands, result),
  );
  assertEquals(
    evaluate(() => f32x4.splat(1.5)),
    bitsOf(floats(1.5, 1.5, 1.5, 1.5)),
  );
});

Deno.test("f64x2 instructions do what the specification says", () => {
  const [a, b] = [doubles(2 ** -40, -4.5), doubles(3, -4.5)];
  checkTable<Lanes | number, Lanes>(
    f64x2,
    [
      ["const", [0.1], doubles(0.1, 0.1)],
      ["eq", [a, b], integers(0, 0, -1, -1)],
      ["ne", [a, b], integers(-1, -1, 0, 0)],
      ["lt", [a, b], integers(-1, -1, 0, 0)],
      ["gt", [b, a], integers(-1, -1, 0, 0)],
      ["le", [b, a], integers(0, 0, -1, -1)],
      ["ge", [a, b], integers(0, 0, -1, -1)],
      ["add", [a, b], doubles(3 + 2 ** -40, -9)],
      ["sub", [a, b], doubles(2 ** -40 - 3, 0)],
      ["mul", [a, b], doubles(3 * 2 ** -40, 20.25)],
      ["div", [b, a], doubles(3 * 2 ** 40, 1)],
      ["min", [a, b], doubles(2 ** -40, -4.5)],
      ["max", [a, b], doubles(3, -4.5)],
      ["pmin", [a, b], doubles(2 ** -40, -4.5)],
      ["pmax", [a, b], doubles(3, -4.5)],
      ["floor", [a], doubles(0, -5)],
      [
        "promoteLowF32x4",
        [floats(0.1, -2, 5, 6)],
        doubles(Math.fround(0.1), -2),
      ],
    ],
    [],
    (name, operands, result) =>
      checkVector(f64x2[name as "add"], name, operands, result),
  );
});

Deno.test("i32x4 instructions do what the specification says", () => {
  const [a, b] = [integers(1, -1, 7, 5), integers(2, 1, 7, -3)];
  checkTable<Lanes | number, Lanes | number>(
    i32x4,
    [
      ["const", [-7], integers(-7, -7, -7, -7)],
      ["const", [1, -2, 3, 2147483647], integers(1, -2, 3, 2147483647)],
      ["eq", [a, b], integers(0, 0, -1, 0)],
      ["ne", [a, b], integers(-1, -1, 0, -1)],
      ["ltS", [a, b], integers(-1, -1, 0, 0)],
      ["ltU", [a, b], integers(-1, 0, 0, -1)],
      ["gtS", [a, b], integers(0, 0, 0, -1)],
      ["gtU", [a, b], integers(0, -1, 0, 0)],
      ["leS", [a, b], integers(-1, -1, -1, 0)],
      ["leU", [a, b], integers(-1, 0, -1, -1)],
      ["geS", [a, b], integers(0, 0, -1, -1)],
      ["geU", [a, b], integers(0, -1, -1, 0)],
      ["add", [a, b], integers(3, 0, 14, 2)],
      ["sub", [a, b], integers(-1, -2, 0, 8)],
      ["mul", [a, b], integers(2, -1, 49, -15)],
      ["minS", [a, b], integers(1, -1, 7, -3)],
      ["minU", [a, b], integers(1, 1, 7, 5)],
      ["maxS", [a, b], integers(2, 1, 7, 5)],
      ["maxU", [a, b], integers(2, -1, 7, -3)],
      ["shl", [a, 4], integers(16, -16, 112, 80)],
      ["shrS", [b, 1], integers(1, 0, 3, -2)],
      ["shrU", [b, 28], integers(0, 0, 0, 15)],
      ["extractLane", [b, 3], -3],
      [
        "truncSatF64x2SZero",
        [doubles(-8.5, 2 ** 40)],
        integers(-8, 2147483647, 0, 0),
      ],
    ],
    ["splat"],
    (name, operands, result) =>
      checkVector(i32x4[name as "add"], name, operands, result),
  );
  assertEquals(evaluate(() => i32x4.splat(-3)), integers(-3, -3, -3, -3));
});

Deno.test("shuffle32() takes lanes of both vectors", () => {
  const given = [integers(10, 11, 12, 13), integers(20, 21, 22, 23)];
  const shuffled = evaluate(
    () => shuffle32(v128.load(16), v128.load(32), [7, 0, 5, 2]),
    given,
  );
  assertEquals(shuffled, integers(23, 10, 21, 12));
});

Deno.test("loads read at address plus offset, aligned or not", () => {
  const given = [integers(1, -2, 3, 4), floats(0.5, 1.5, 2.5, 3.5)];
  const load = (content: Content): number | Lanes => evaluate(content, given);
  assertEquals(load(() => i32.load(16, 4)), -2);
  assertEquals(load(() => f32.load(32, 8)), 2.5);
  assertEquals(
    load(() => v128.load(20)),
    bitsOf(integers(-2, 3, 4, 0x3f000000)),
  );
  assertEquals(load(() => v128.load32Splat(12, 8)), integers(-2, -2, -2, -2));
  assertEquals(load(() => v128.load32Zero(20)), integers(-2, 0, 0, 0));
  assertEquals(load(() => v128.load64Zero(20)), integers(-2, 3, 0, 0));
  // The upper half of 1 and the lower half of −2.
  assertEquals(load(() => i32.load(18)), -2 << 16);
});

Deno.test("stores write values of every type at address plus offset", () => {
  const stored = evaluate((body) => {
    body.store(60, i32.const(7), 4);
    body.store(68, f32.const(1));
    body.store(80, f32x4.const(3), 16);
    body.store(72, v128.load(96));
    return v128.load(64);
  });
  assertEquals(stored, integers(7, 0x3f800000, 0x40400000, 0x40400000));
});

Deno.test("select() takes the first value when the condition is not zero", () => {
  assertEquals(evaluate(() => select(f32.const(1), f32.const(2), 5)), 1);
  assertEquals(evaluate(() => select(i32.const(1), i32.const(2), 0)), 2);
  assertEquals(
    evaluate(() => select(f32x4.const(1), i32x4.const(2), 0)),
    integers(2, 2, 2, 2),
  );
});

Deno.test("f32x4.const() makes a constant once and tells −0 from 0", () => {
  const sum = evaluate((body) => {
    const i = body.local("i32");
    const sum = body.local("v128");
    body.for(i, { from: 0, to: 3 }, () => {
      body.set(sum, f32x4.add(sum, f32x4.const(1)));
      body.set(sum, f32x4.add(sum, f32x4.const(1)));
    });
    return sum;
  });
  assertEquals(sum, bitsOf(floats(6, 6, 6, 6)));
  assertEquals(
    evaluate(() => v128.xor(f32x4.const(0), f32x4.const(-0))),
    integers(...Array(4).fill(-2147483648)),
  );
});

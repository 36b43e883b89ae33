import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Expression,
  f32,
  f32x4,
  type FunctionBody,
  i32,
  i32x4,
  type Label,
  Module,
  select,
  shuffle32,
  v128,
  type ValueType,
} from "../cpu/assembler.ts";
import { s32, u32 } from "../cpu/wasm/encoding.ts";

type Content = (body: FunctionBody) => Expression<ValueType>;

/** The exports of a module; `WebAssembly.validate` has its say first. */
function instantiate(module: Module): WebAssembly.Exports {
  const bytes = module.encode();
  assert(WebAssembly.validate(bytes));
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
}

/**
 * What the code leaves: a number, or the lanes of a vector. The vectors `given`
 * are in memory at addresses 16, 32, …
 */
function evaluate(
  content: Content,
  given: readonly Lanes[] = [],
): number | Lanes {
  const module = new Module();
  module.exportMemory("memory", { initial: 1, maximum: 1 });
  let type: ValueType | undefined;
  module.function([], (body) => {
    const result = content(body);
    type = result.type;
    body.store(0, result);
  }, "run");
  const exports = instantiate(module);
  const memory = exports.memory as WebAssembly.Memory;
  given.forEach((lanes, i) => {
    const bytes = new Uint8Array(lanes.buffer, lanes.byteOffset, 16);
    new Uint8Array(memory.buffer).set(bytes, 16 * (i + 1));
  });
  (exports.run as () => void)();
  const { buffer } = memory;
  switch (type) {
    case "i32":
      return new Int32Array(buffer)[0];
    case "f32":
      return new Float32Array(buffer)[0];
    default:
      return new Int32Array(buffer.slice(0, 16));
  }
}

/** Four lanes, to be compared bit by bit. */
type Lanes = Int32Array | Float32Array;
const floats = (...lanes: number[]): Float32Array => Float32Array.from(lanes);
const integers = (...lanes: number[]): Int32Array => Int32Array.from(lanes);
const bitsOf = (lanes: Lanes): Int32Array =>
  new Int32Array(lanes.buffer, lanes.byteOffset, 4);

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
    ["load", "load32Splat", "load32Zero"],
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

Deno.test("if() runs one of two branches", () => {
  for (const condition of [0, 1, -1]) {
    const result = evaluate((body) => {
      const x = body.let(i32.const(condition));
      const y = body.let(i32.const(0));
      body.if(x, () => body.set(y, 10), () => body.set(y, 20));
      body.if(x, () => body.set(y, i32.add(y, 1)));
      return y;
    });
    assertEquals(result, condition === 0 ? 20 : 11);
  }
});

Deno.test("for() counts unsigned, in steps, and not at all when there is nothing", () => {
  const sum = (from: number, to: number, step?: number): number | Lanes =>
    evaluate((body) => {
      const turns = body.local("i32");
      const i = body.local("i32");
      const range = step === undefined ? { from, to } : { from, to, step };
      body.for(i, range, () => body.set(turns, i32.add(turns, 1)));
      return turns;
    });
  assertEquals(sum(2, 7), 5);
  assertEquals(sum(0, 10, 4), 3);
  assertEquals(sum(5, 5), 0);
  assertEquals(sum(6, 5), 0);
  assertEquals(sum(0x7ffffff0, 0x80000010, 16), 2);
});

Deno.test("while() asks before every turn", () => {
  const halved = evaluate((body) => {
    const x = body.let(i32.const(100));
    body.while(i32.gtS(x, 9), () => body.set(x, i32.shrS(x, 1)));
    return x;
  });
  assertEquals(halved, 6);
});

Deno.test("branch() leaves blocks and restarts loops through other blocks", () => {
  // The first i from 1 on with i² > 50, found in the middle of two loops.
  const found = evaluate((body) => {
    const i = body.let(i32.const(0));
    body.block((done) => {
      body.loop((again) => {
        body.set(i, i32.add(i, 1));
        body.if(i32.gtS(i32.mul(i, i), 50), () => body.branch(done));
        body.branch(again);
      });
    });
    return i;
  });
  assertEquals(found, 8);
  const skipped = evaluate((body) => {
    const x = body.let(i32.const(1));
    body.block((end) => {
      body.branch(end, i32.const(0));
      body.set(x, 2);
      body.branch(end, i32.const(1));
      body.set(x, 3);
    });
    return x;
  });
  assertEquals(skipped, 2);
});

Deno.test("functions call each other, with and without a value", () => {
  const module = new Module();
  module.exportMemory("memory", { initial: 1, maximum: 1 });
  const fma = module.function(
    ["f32", "f32", "f32"],
    (_, a, b, c) => f32.add(f32.mul(a, b), c),
  );
  const put = module.function(["i32", "f32"], (body, address, value) => {
    body.if(i32.eqz(address), () => body.return());
    body.store(address, value);
  });
  module.function(["f32", "f32"], (body, a, b) => {
    body.do(put(0, 7));
    body.do(put(8, fma(a, b, 1)));
    body.do(fma(a, b, 1)); // its value is dropped
    body.if(f32.gt(a, 100), () => body.return(f32.const(-1)));
    return f32.add(f32.load(8), f32.load(0));
  }, "run");
  const { run, memory } = instantiate(module);
  const call = run as (a: number, b: number) => number;
  assertEquals(call(2, 3), 7);
  assertEquals(call(101, 3), -1);
  assertEquals(new Float32Array((memory as WebAssembly.Memory).buffer)[2], 304);
});

Deno.test("a module uses the memory that the host gives", () => {
  const module = new Module();
  module.importMemory("host", "memory", { initial: 1, maximum: 2 });
  module.function(["i32"], (_, address) => i32.load(address), "peek");
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
  new Int32Array(memory.buffer)[3] = 42;
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(module.encode()),
    { host: { memory } },
  );
  assertEquals((exports.peek as (address: number) => number)(12), 42);
});

Deno.test("a function may have locals of all types, more than 128", () => {
  const result = evaluate((body) => {
    const vectors = Array.from({ length: 150 }, () => body.local("v128"));
    const numbers = Array.from(
      { length: 150 },
      (_, i) => body.let(f32.const(i)),
    );
    const last = vectors.at(-1)!;
    body.set(last, f32x4.splat(numbers.at(-1)!));
    return f32.add(f32x4.extractLane(last, 3), numbers[130]);
  });
  assertEquals(result, 149 + 130);
});

/** The value of signed LEB128, decoded by the definition in the specification. */
function decodeSigned(bytes: readonly number[]): number {
  const value = bytes.reduceRight(
    (sum, byte) => sum * 128 + (byte & 0x7f),
    0,
  );
  const negative = bytes.at(-1)! & 0x40;
  return negative ? value - 2 ** (7 * bytes.length) : value;
}

Deno.test("LEB128 of edge values is right and as short as can be", () => {
  assertEquals(u32(0), [0]);
  assertEquals(u32(127), [0x7f]);
  assertEquals(u32(128), [0x80, 1]);
  assertEquals(u32(624485), [0xe5, 0x8e, 0x26]); // the specification's example
  assertEquals(u32(2 ** 32 - 1), [0xff, 0xff, 0xff, 0xff, 0x0f]);
  assertEquals(s32(0), [0]);
  assertEquals(s32(63), [0x3f]);
  assertEquals(s32(64), [0xc0, 0]);
  assertEquals(s32(-1), [0x7f]);
  assertEquals(s32(-64), [0x40]);
  assertEquals(s32(-65), [0xbf, 0x7f]);
  assertEquals(s32(-123456), [0xc0, 0xbb, 0x78]); // likewise
  assertEquals(s32(2 ** 31 - 1), [0xff, 0xff, 0xff, 0xff, 0x07]);
  assertEquals(s32(-(2 ** 31)), [0x80, 0x80, 0x80, 0x80, 0x78]);
  assertEquals(s32(2 ** 32 - 1), s32(-1));
  for (let bit = 0; bit < 32; bit++) {
    for (const value of [2 ** bit - 1, 2 ** bit, -(2 ** bit)]) {
      assertEquals(decodeSigned(s32(value)), value | 0);
      assertEquals(s32(value).slice(0, -1).every((byte) => byte >= 128), true);
    }
  }
});

Deno.test("constants keep their value through the binary", () => {
  for (const value of [0, 63, 64, -65, 2 ** 31 - 1, -(2 ** 31)]) {
    assertEquals(evaluate(() => i32.const(value)), value);
  }
  for (const value of [-0, 2 ** -149, 3.4028234663852886e38, Infinity, NaN]) {
    assertEquals(evaluate(() => f32.const(value)), value);
  }
});

Deno.test("numbers that do not fit are refused", () => {
  for (const value of [-1, 2 ** 32, 0.5, NaN]) {
    assertThrows(() => u32(value), RangeError, String(value));
  }
  for (const value of [-(2 ** 31) - 1, 2 ** 32, 0.5, NaN]) {
    assertThrows(() => i32.const(value), RangeError, String(value));
    assertThrows(() => i32x4.const(value), RangeError, String(value));
  }
  for (const lane of [-1, 4, 0.5]) {
    assertThrows(() => f32x4.extractLane(f32x4.const(0), lane), RangeError);
  }
  assertThrows(
    () => shuffle32(f32x4.const(0), f32x4.const(0), [0, 1, 2, 8]),
    RangeError,
    "[0, 8): current value is 8",
  );
  assertThrows(() => v128.load(0, -4), RangeError);
  assertThrows(() => f32x4.const(1, 2), TypeError, "1 or 4 values");
});

Deno.test("misuse that TypeScript cannot see is refused", () => {
  assertThrows(
    () => i32.add(f32.const(1) as never, 2),
    TypeError,
    "its type must be i32: current value is f32",
  );
  assertThrows(() => f32x4.add(1 as never, 2 as never), TypeError, "lanes");
  const module = new Module();
  let foreign: Expression<"i32"> | undefined;
  module.function(["i32"], (_, x) => {
    foreign = x;
  });
  assertThrows(
    () => module.function([], (body) => body.set(foreign as never, 1)),
    TypeError,
    "must belong to this function",
  );
  assertThrows(
    () =>
      module.function([], (body) => {
        let left: Label | undefined;
        body.block((label) => {
          left = label;
        });
        body.block(() => body.branch(left!));
      }),
    TypeError,
    "must enclose the branch",
  );
});

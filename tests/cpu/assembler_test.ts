import { assertEquals, assertThrows } from "@std/assert";
import {
  type Expression,
  f32,
  f32x4,
  i32,
  i32x4,
  type Label,
  Module,
  shuffle32,
  v128,
} from "../../cpu/assembler.ts";
import { s32, u32 } from "../../cpu/wasm/encoding.ts";
import { evaluate, instantiate, type Lanes } from "../_assembler.ts";

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

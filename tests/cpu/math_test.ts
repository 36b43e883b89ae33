// exp, SiLU and GELU of the CPU backend against 64 bits, over the ranges and
// with the errors that cpu/kernels/math.ts states.

import { assert, assertEquals } from "@std/assert";
import { erf } from "../../core/reference/erf.ts";
import { WEIGHT_TYPES } from "../../core/mod.ts";
import { Module, v128 } from "../../cpu/assembler.ts";
import { assembleKernels } from "../../cpu/module.ts";
import { type VectorFunction, vectorMath } from "../../cpu/kernels/math.ts";
import { fitPolynomial } from "../../cpu/kernels/polynomial.ts";
import {
  hasRelaxedSimd,
  multiplyThenAdd,
  relaxedMultiplyAdd,
} from "../../cpu/relaxed.ts";
import { assertClose } from "../_compare.ts";

const COUNT = 2 ** 16;

type Apply = (x: Float32Array) => Float32Array;

/** A vector function as a function of arrays of at most COUNT floats. */
function onArrays(f: VectorFunction): Apply {
  const module = new Module();
  const pages = 1 + COUNT * 4 / 2 ** 16;
  module.exportMemory("memory", { initial: pages, maximum: pages });
  module.function(["i32"], (body, bytes) => {
    const at = body.local("i32");
    body.for(at, { from: 0, to: bytes, step: 16 }, () => {
      body.store(at, f(body, v128.load(at)));
    });
  }, "run");
  const compiled = new WebAssembly.Module(module.encode());
  const { exports } = new WebAssembly.Instance(compiled);
  const { buffer } = exports.memory as WebAssembly.Memory;
  return (x) => {
    const memory = new Float32Array(buffer, 0, x.length);
    memory.set(x);
    (exports.run as (bytes: number) => void)(4 * x.length);
    return memory.slice();
  };
}

/** Floats from `low` to `high`, evenly, and small ones of both signs. */
function* arguments_(low: number, high: number): Generator<Float32Array> {
  for (let part = 0; part < 4; part++) {
    const step = (high - low) / 4 / COUNT;
    yield Float32Array.from(
      { length: COUNT },
      (_, i) => low + (part * COUNT + i) * step,
    );
  }
  yield Float32Array.from(
    { length: COUNT },
    (_, i) => (i % 2 ? 1 : -1) * 10 ** (-i / COUNT * 30),
  );
}

/** The largest relative error over [low, high], and the largest absolute one. */
function largestErrors(
  apply: Apply,
  exact: (x: number) => number,
  [low, high]: readonly [number, number],
): { relative: number; absolute: number } {
  let relative = 0;
  let absolute = 0;
  for (const x of arguments_(low, high)) {
    const y = apply(x);
    for (let i = 0; i < x.length; i++) {
      const error = Math.abs(y[i] - exact(x[i]));
      // Written so that NaN counts.
      if (!(error <= absolute)) absolute = error;
      const share = error / Math.abs(exact(x[i]));
      if (!(share <= relative)) relative = share;
    }
  }
  return { relative, absolute };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const normalCdf = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
const geluTanh = (x: number): number =>
  x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

for (
  const [name, madd] of [
    ["relaxed", relaxedMultiplyAdd],
    ["plain", multiplyThenAdd],
  ] as const
) {
  const { exp, exp2, silu, activations } = vectorMath(madd);

  Deno.test(`exp is within 1.5e-7 of eˣ (${name})`, () => {
    const apply = onArrays(exp);
    const { relative } = largestErrors(apply, Math.exp, [-87.3, 88.3]);
    assert(relative < 1.5e-7, `${relative}`);
  });

  Deno.test(`exp is 0, 1 and infinite where eˣ is, and keeps NaN (${name})`, () => {
    const apply = onArrays(exp);
    const x = [-Infinity, -1e30, -1000, -88, 0, 89, 1e30, Infinity, NaN];
    assertEquals(
      [...apply(Float32Array.from([...x, 0, 0, 0]))].slice(0, x.length),
      [0, 0, 0, 0, 1, Infinity, Infinity, Infinity, NaN],
    );
  });

  Deno.test(`exp2 is within 1.5e-7 of 2ˣ, 1 at 0, and 0 far below (${name})`, () => {
    const apply = onArrays(exp2);
    const { relative } = largestErrors(apply, (x) => 2 ** x, [-126, 127.4]);
    assert(relative < 1.5e-7, `${relative}`);
    const x = Float32Array.of(-Infinity, -1e30, -127, 0, 3, NaN, 0, 0);
    assertEquals([...apply(x)].slice(0, 6), [0, 0, 0, 1, 8, NaN]);
  });

  Deno.test(`SiLU is within 5e-7 (${name})`, () => {
    const { relative } = largestErrors(
      onArrays(silu),
      (x) => x * sigmoid(x),
      [-87, 100],
    );
    assert(relative < 5e-7, `${relative}`);
  });

  for (
    const [activation, exact, from] of [
      ["gelu", (x: number) => x * normalCdf(x), -6],
      ["gelu_tanh", geluTanh, -6],
      ["quick_gelu", (x: number) => x * sigmoid(1.702 * x), -20],
    ] as const
  ) {
    Deno.test(`${activation} is within 5e-6 of its value and within 6e-7 absolutely (${name})`, () => {
      const apply = onArrays(activations[activation]);
      const { relative } = largestErrors(apply, exact, [from, 20]);
      assert(relative < 5e-6, `${relative}`);
      const { absolute } = largestErrors(apply, exact, [-100, 4]);
      assert(absolute < 6e-7, `${absolute}`);
      const x = Float32Array.of(0, 3e38, -3e38, -1000);
      assertClose(apply(x).map((y) => y || 0), [0, x[1], 0, 0], {});
    });
  }
}

Deno.test("the module without relaxed SIMD has none of its instructions", () => {
  const relaxedMadd = String.fromCharCode(0xfd, 0x85, 0x02);
  for (const weightType of WEIGHT_TYPES) {
    const relaxed = assembleKernels({ relaxed: true, weightType });
    const plain = assembleKernels({ relaxed: false, weightType });
    const has = (code: Uint8Array): boolean =>
      String.fromCharCode(...code).includes(relaxedMadd);
    assert(has(relaxed));
    assert(!has(plain));
    assert(WebAssembly.validate(plain));
    assertEquals(WebAssembly.validate(relaxed), hasRelaxedSimd());
  }
});

Deno.test("fitPolynomial() finds a polynomial again, and comes close to others", () => {
  const cubic = fitPolynomial((x) => 2 - x + 3 * x ** 3, -1, 2, 3);
  assertClose(cubic, [2, -1, 0, 3], { absolute: 1e-13 });
  const sine = fitPolynomial(Math.sin, 0, 1, 6);
  for (let x = 0; x <= 1; x += 0.01) {
    const value = sine.reduce((sum, c, n) => sum + c * x ** n, 0);
    assertClose([value], [Math.sin(x)], { absolute: 3e-8 });
  }
});

import { assert, assertEquals } from "@std/assert";
import { exp, expm1, log, log1p, power } from "../../optim/math/elementary.ts";
import { createPrng } from "../../optim/math/random.ts";

/** The largest relative difference, in units of the last place. */
function worst(
  ours: (x: number) => number,
  theirs: (x: number) => number,
  inputs: readonly number[],
): number {
  return Math.max(...inputs.map((x) => {
    const expected = theirs(x);
    const scale = Math.max(Math.abs(expected), 2.3e-308) * Number.EPSILON;
    return Math.abs(ours(x) - expected) / scale;
  }));
}

const random = createPrng(3);
const sizes = Array.from({ length: 20_000 }, () => 10 ** (random() * 40 - 38));
const small = sizes.filter((x) => x < 1);

Deno.test("exponentials and logarithms agree with the engine's", () => {
  const exponents = Array.from({ length: 20_000 }, () => 1450 * random() - 740);
  assert(worst(exp, Math.exp, exponents.filter((x) => x < 709)) <= 1);
  assert(worst(exp, Math.exp, small) <= 1);
  const all = [...sizes, ...exponents.map(Math.exp)].filter((x) =>
    x > 0 && x < Infinity
  );
  assert(worst(log, Math.log, all) <= 1);
  const nearOne = small.map((x) => 1 + x);
  assert(worst(log, Math.log, nearOne) <= 1);
  assert(worst(log1p, Math.log1p, sizes) <= 3);
  assert(worst(log1p, Math.log1p, small.map((x) => -x)) <= 3);
  assert(worst(expm1, Math.expm1, sizes.filter((x) => x < 700)) <= 4);
  assert(worst(expm1, Math.expm1, sizes.map((x) => -x)) <= 4);
  assert(worst((x) => power(x, 0.3), (x) => x ** 0.3, sizes) <= 60);
});

Deno.test("exponentials and logarithms keep their limits", () => {
  assertEquals(
    [exp(0), exp(-Infinity), exp(Infinity), exp(710), exp(-746), exp(NaN)],
    [1, 0, Infinity, Infinity, 0, NaN],
  );
  assertEquals(exp(-745), 5e-324);
  assertEquals(exp(709.78), Math.exp(709.78));
  assertEquals(
    [log(1), log(0), log(Infinity), log(-1), log(NaN)],
    [0, -Infinity, Infinity, NaN, NaN],
  );
  assert(Math.abs(log(5e-324) + 744.4400719213812) < 1e-12);
  assertEquals(
    [log1p(0), log1p(-1), log1p(Infinity), log1p(-2)],
    [0, -Infinity, Infinity, NaN],
  );
  assertEquals(
    [expm1(0), expm1(-Infinity), expm1(Infinity), expm1(-50)],
    [0, -1, Infinity, -1],
  );
  assertEquals(log1p(1e-300), 1e-300);
  assertEquals(expm1(-1e-300), -1e-300);
});

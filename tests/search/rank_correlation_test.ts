import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { kendallTau, neighbouringTau } from "../../search/rank_correlation.ts";
import { assertClose } from "../_compare.ts";
import cases from "../fixtures/kendall.json" with { type: "json" };

for (const { name, x, y, tau } of cases) {
  Deno.test(`\`kendallTau()\` agrees with SciPy on ${name}`, () => {
    const expected = tau ?? NaN;
    assertClose([kendallTau(x, y)], [expected], { absolute: 1e-14 });
    assertClose([kendallTau(y, x)], [expected], { absolute: 1e-14 });
  });
}

/** The definition: every pair looked at. */
function pairwiseTau(x: number[], y: number[]): number {
  let sum = 0;
  let untiedX = 0;
  let untiedY = 0;
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      const signX = Math.sign(x[i] - x[j]);
      const signY = Math.sign(y[i] - y[j]);
      sum += signX * signY;
      untiedX += Math.abs(signX);
      untiedY += Math.abs(signY);
    }
  }
  return sum / Math.sqrt(untiedX * untiedY);
}

Deno.test("`kendallTau()` agrees with the definition on lists full of ties", () => {
  const pairs = fc.array(fc.tuple(fc.integer({ max: 5, min: 0 }), fc.nat(9)));
  fc.assert(
    fc.property(pairs, (pairs) => {
      const x = pairs.map(([a]) => a);
      const y = pairs.map(([, b]) => b);
      assertClose([kendallTau(x, y)], [pairwiseTau(x, y)], { absolute: 1e-14 });
    }),
    { seed: 1 },
  );
});

Deno.test("`kendallTau()` is 1 for a list and itself, whatever its ties", () => {
  const list = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2 });
  fc.assert(
    fc.property(list, (x) => {
      const tied = new Set(x).size === 1;
      assertClose([kendallTau(x, x)], [tied ? NaN : 1], { absolute: 1e-15 });
    }),
    { seed: 2 },
  );
});

Deno.test("`kendallTau()` is NaN when there is no pair", () => {
  assertEquals(kendallTau([], []), NaN);
  assertEquals(kendallTau([1], [1]), NaN);
});

Deno.test("`kendallTau()` throws when lengths differ or a score is NaN", () => {
  assertThrows(() => kendallTau([1, 2], [1]), TypeError, "expected 2 values");
  assertThrows(() => kendallTau([1, NaN], [1, 2]), RangeError, "index 1");
  assertThrows(() => kendallTau([1, 2], [NaN, 2]), RangeError, "index 0");
});

Deno.test("`neighbouringTau()` averages each pair of layers over the samples", () => {
  const alike = [[1, 2, 3, 4], [2, 3, 4, 5], [6, 7, 8, 9]];
  const turned = [[1, 2, 3, 4], [4, 3, 2, 1], [4, 3, 2, 1]];
  assertClose(neighbouringTau([alike]), [1, 1], { absolute: 1e-15 });
  assertClose(neighbouringTau([alike, turned]), [0, 1], { absolute: 1e-15 });
});

Deno.test("`neighbouringTau()` throws when there is no sample or depths differ", () => {
  assertThrows(() => neighbouringTau([]), TypeError, "no sample");
  assertThrows(
    () => neighbouringTau([[[1, 2], [1, 2]], [[1, 2]]]),
    TypeError,
    "expected 2, got 1",
  );
});

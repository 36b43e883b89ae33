import { assertEquals } from "@std/assert";
import { erf } from "../../core/reference/erf.ts";
import { assertClose } from "../_compare.ts";

/**
 * x and erf(x), the nearest double to mpmath 1.3's value at 40 digits. The
 * branch point is 2.5, with its two neighbours; beyond 6 nothing is below 1.
 */
const TABLE: readonly [x: number, value: number][] = [
  [1e-300, 1.1283791670955126e-300],
  [1e-10, 1.1283791670955126e-10],
  [0.001, 0.0011283787909692365],
  [0.1, 0.1124629160182849],
  [0.25, 0.27632639016823696],
  [0.5, 0.5204998778130465],
  [0.75, 0.7111556336535151],
  [1, 0.8427007929497149],
  [1.25, 0.9229001282564583],
  [1.5, 0.9661051464753108],
  [2, 0.9953222650189527],
  [2.25, 0.9985372834133188],
  [2.4, 0.999311486103355],
  [2.499, 0.9995908642442554],
  [2.4999999999999996, 0.999593047982555],
  [2.5, 0.999593047982555],
  [2.5000000000000004, 0.999593047982555],
  [2.501, 0.9995952208294163],
  [2.6, 0.9997639655834707],
  [3, 0.9999779095030014],
  [3.5, 0.9999992569016276],
  [4, 0.9999999845827421],
  [4.5, 0.9999999998033839],
  [5, 0.9999999999984626],
  [5.5, 0.9999999999999927],
  [5.9, 0.9999999999999999],
  [6, 1],
  [6.1, 1],
  [10, 1],
];

/** Some 40 units in the last place. */
const RELATIVE = 1e-14;

Deno.test("erf() agrees with a table on both sides of its branch points", () => {
  const values = TABLE.map(([, value]) => value);
  assertClose(TABLE.map(([x]) => erf(x)), values, { relative: RELATIVE });
});

Deno.test("erf() is odd", () => {
  for (const [x] of TABLE) assertEquals(erf(-x), -erf(x));
  assertEquals(erf(0), 0);
});

Deno.test("erf() is 1 at infinity and passes NaN on", () => {
  assertEquals(erf(Infinity), 1);
  assertEquals(erf(-Infinity), -1);
  assertEquals(erf(NaN), NaN);
});

Deno.test("1 − erf() far out is erfc to the precision of a double near 1", () => {
  // erfc(5) and erfc(5.5), from the same source.
  assertClose([1 - erf(5), 1 - erf(5.5)], [
    1.537459794428035e-12,
    7.357847917974398e-15,
  ], { absolute: 2.3e-16 });
});

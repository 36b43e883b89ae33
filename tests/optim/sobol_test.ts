import { assert, assertEquals, assertThrows } from "@std/assert";
import { createPrng, type Prng } from "../../optim/math/random.ts";
import { createSobol, MAX_SOBOL_DIMENSIONS } from "../../optim/math/sobol.ts";
import fixture from "../fixtures/sobol.json" with { type: "json" };

/** A coordinate as the integer it is a multiple of 2⁻³⁰ of. */
function integers(point: Float64Array): number[] {
  return [...point].map((coordinate) => coordinate * 2 ** 30);
}

/** A source that repeats recorded bits: 0 or ½ for each binary digit. */
function replay(hexadecimal: string): Prng {
  let bit = 0;
  return () => {
    const digit = parseInt(hexadecimal[bit >>> 2], 16);
    return ((digit >>> (3 - (bit++ & 3))) & 1) / 2;
  };
}

/** How many of the points lie in each of `cells` equal parts of an axis. */
function histogram(
  points: readonly Float64Array[],
  axis: number,
  cells: number,
): number[] {
  const counts = Array(cells).fill(0);
  for (const point of points) counts[Math.floor(cells * point[axis])]++;
  return counts;
}

Deno.test("`createSobol()` gives SciPy's points in all 64 dimensions", () => {
  const sobol = createSobol(64);
  assertEquals(
    fixture.plain.map((_, index) => integers(sobol.point(index))),
    fixture.plain,
  );
  assertEquals(integers(sobol.point(123456)), fixture.late);
  assertEquals(integers(sobol.point(2 ** 30 - 1)), fixture.last);
});

Deno.test("`createSobol()` scrambles as SciPy does with the same bits", () => {
  const sobol = createSobol(3, replay(fixture.bits));
  assertEquals(
    fixture.scrambled.map((_, index) => integers(sobol.point(index))),
    fixture.scrambled,
  );
});

Deno.test("`createSobol()` puts one scrambled point into each cell", () => {
  for (let seed = 0; seed < 5; seed++) {
    const sobol = createSobol(MAX_SOBOL_DIMENSIONS, createPrng(seed));
    const points = Array.from({ length: 256 }, (_, i) => sobol.point(i));
    for (let axis = 0; axis < MAX_SOBOL_DIMENSIONS; axis++) {
      assertEquals(histogram(points, axis, 256), Array(256).fill(1));
    }
    // The first two axes form a net: every 16 × 16 square has its point.
    const squares = points.map(([x, y]) =>
      16 * Math.floor(16 * x) + Math.floor(16 * y)
    );
    assertEquals(new Set(squares).size, 256);
  }
});

Deno.test("`createSobol()` scrambles every seed differently, uniformly", () => {
  const firsts = Array.from(
    { length: 2000 },
    (_, seed) => createSobol(2, createPrng(seed)).point(0),
  );
  for (const axis of [0, 1]) {
    const expected = 2000 / 20;
    const chiSquare = histogram(firsts, axis, 20).reduce(
      (sum, count) => sum + (count - expected) ** 2 / expected,
      0,
    );
    // 19 degrees of freedom: exceeded once in 100,000 times.
    assert(chiSquare < 57, `χ² is ${chiSquare}`);
  }
  assertEquals(new Set(firsts.map(String)).size, 2000);
});

Deno.test("`createSobol()` refuses dimensions it has no numbers for", () => {
  for (const dimensions of [0, 1.5, 65, NaN]) {
    assertThrows(
      () => createSobol(dimensions),
      RangeError,
      `dimensions must be an integer in [1, 64]: current value is ${dimensions}`,
    );
  }
});

Deno.test("`createPrng()` is uniform, and each key has its own numbers", () => {
  const random = createPrng(7, 8);
  const repeated = createPrng(7, 8);
  const counts = Array(20).fill(0);
  const repeats = new Set([createPrng(7)(), createPrng(8, 7)()]);
  for (let i = 0; i < 20000; i++) {
    const value = random();
    assertEquals(value, repeated());
    assert(!repeats.has(value));
    counts[Math.floor(20 * value)]++;
  }
  const chiSquare = counts.reduce(
    (sum, count) => sum + (count - 1000) ** 2 / 1000,
    0,
  );
  assert(chiSquare < 57, `χ² is ${chiSquare}`);
});

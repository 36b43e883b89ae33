// L-BFGS in a box: the problems of Moré, Garbow & Hillstrom 1981 ("MGH"), with
// their standard starts, with and without active bounds.

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { minimizeLbfgs, type SmoothFunction } from "../../optim/math/lbfgs.ts";
import { assertClose } from "../_compare.ts";

/** MGH 1. */
const rosenbrock: SmoothFunction = (x, gradient) => {
  const [a, b] = [10 * (x[1] - x[0] * x[0]), 1 - x[0]];
  gradient?.set([-40 * x[0] * a - 2 * b, 20 * a]);
  return a * a + b * b;
};

/** MGH 4, Brown badly scaled. */
const brown: SmoothFunction = (x, gradient) => {
  const [a, b, c] = [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2];
  gradient?.set([2 * a + 2 * c * x[1], 2 * b + 2 * c * x[0]]);
  return a * a + b * b + c * c;
};

/** MGH 5. */
const beale: SmoothFunction = (x, gradient) => {
  let sum = 0;
  gradient?.fill(0);
  for (const [i, y] of [1.5, 2.25, 2.625].entries()) {
    const power = x[1] ** (i + 1);
    const residual = y - x[0] * (1 - power);
    sum += residual * residual;
    if (gradient !== null) {
      gradient[0] -= 2 * residual * (1 - power);
      gradient[1] += 2 * residual * x[0] * (i + 1) * x[1] ** i;
    }
  }
  return sum;
};

/** MGH 14. */
const wood: SmoothFunction = (x, gradient) => {
  const [a, b, c, d] = x;
  gradient?.set([
    -400 * a * (b - a * a) - 2 * (1 - a),
    200 * (b - a * a) + 20.2 * (b - 1) + 19.8 * (d - 1),
    -360 * c * (d - c * c) - 2 * (1 - c),
    180 * (d - c * c) + 20.2 * (d - 1) + 19.8 * (b - 1),
  ]);
  return 100 * (b - a * a) ** 2 + (1 - a) ** 2 + 90 * (d - c * c) ** 2 +
    (1 - c) ** 2 + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2) +
    19.8 * (b - 1) * (d - 1);
};

/** Name, function, start, minimum, most evaluations. */
const PROBLEMS: [string, SmoothFunction, number[], number[], number][] = [
  ["Rosenbrock", rosenbrock, [-1.2, 1], [1, 1], 80],
  ["Brown badly scaled", brown, [1, 1], [1e6, 2e-6], 60],
  ["Beale", beale, [1, 1], [3, 0.5], 40],
  ["Wood", wood, [-3, -1, -3, -1], [1, 1, 1, 1], 200],
];

for (const [name, f, start, minimum, most] of PROBLEMS) {
  Deno.test(`\`minimizeLbfgs()\` finds the known minimum of ${name}`, () => {
    const found = minimizeLbfgs(f, start);
    assertClose(found.x, minimum, { relative: 1e-6 }, name);
    assert(found.value < 1e-14, `value ${found.value}`);
    assert(found.evaluations <= most, `${found.evaluations} evaluations`);
  });
}

Deno.test("`minimizeLbfgs()` finds the minimum of Rosenbrock at active bounds", () => {
  // On x₀ = ½ the floor of the valley is at x₁ = ¼. The other minimum is SciPy's
  // (1.17.1, L-BFGS-B with ftol 1e-16).
  const right = minimizeLbfgs(rosenbrock, [-1.2, 1], { upper: [0.5, 100] });
  assertClose(right.x, [0.5, 0.25], { absolute: 1e-9 });
  assertEquals(right.value, 0.25);
  const low = minimizeLbfgs(rosenbrock, [-1.2, -1], { upper: [10, -0.25] });
  assertClose(low.x, [0.01957841, -0.25], { absolute: 1e-7 });
  assertClose([low.value], [7.23040689401738], { relative: 1e-13 });
});

Deno.test("`minimizeLbfgs()` finds the minimum of Wood at active bounds", () => {
  // SciPy's, as above.
  const found = minimizeLbfgs(wood, [-3, -1, -3, -1], {
    lower: [-10, -10, -10, -10],
    upper: [0, 10, 10, 10],
  });
  assertEquals(found.x[0], 0);
  assertClose(found.x, [0, 0.00533886, 1.39972888, 1.96082746], {
    absolute: 1e-6,
  });
  assertClose([found.value], [1.5567008004385592], { relative: 1e-12 });
});

Deno.test("`minimizeLbfgs()` moves a start outside of the box into it", () => {
  const found = minimizeLbfgs(rosenbrock, [40, -40], {
    lower: [2, 2],
    upper: [3, 3],
  });
  assertEquals([...found.x], [2, 3]);
});

Deno.test("`minimizeLbfgs()` leaves variables of equal bounds alone", () => {
  const found = minimizeLbfgs(rosenbrock, [-1.2, 1], {
    lower: [-Infinity, 4],
    upper: [Infinity, 4],
  });
  assertEquals(found.x[1], 4);
  assert(Math.abs(Math.abs(found.x[0]) - 2) < 0.01, `${found.x}`);
  const fixed = minimizeLbfgs(rosenbrock, [5, 5], {
    lower: [2, 4],
    upper: [2, 4],
  });
  assertEquals([fixed.value, fixed.iterations, fixed.reason], [
    1,
    0,
    "gradient",
  ]);
});

Deno.test("`minimizeLbfgs()` stays where the function is finite", () => {
  // log is not finite left of 0, where the first steps would lead.
  const found = minimizeLbfgs(
    (x, gradient) => {
      gradient?.set([1 - 1 / x[0]]);
      return x[0] - Math.log(x[0]);
    },
    [50],
  );
  assertClose(found.x, [1], { absolute: 1e-6 });
});

Deno.test("`minimizeLbfgs()` ends at finite numbers when there is no minimum", () => {
  const found = minimizeLbfgs(
    (x, gradient) => {
      gradient?.set([-1 - 3 * x[0] ** 2]);
      return -x[0] - x[0] ** 3;
    },
    [0],
  );
  assert(Number.isFinite(found.value) && found.value < -1e6);
});

Deno.test("`minimizeLbfgs()` stops after the iterations it was given", () => {
  const found = minimizeLbfgs(wood, [-3, -1, -3, -1], { maxIterations: 3 });
  assertEquals([found.iterations, found.reason], [3, "iterations"]);
});

Deno.test("`minimizeLbfgs()` never ends higher than it began, nor outside of the box", () => {
  const number = fc.double({ min: -3, max: 3, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(number, { minLength: 4, maxLength: 4 }),
      fc.array(number, { minLength: 4, maxLength: 4 }),
      fc.array(number, { minLength: 4, maxLength: 4 }),
      (start, one, other) => {
        const lower = one.map((value, i) => Math.min(value, other[i]));
        const upper = one.map((value, i) => Math.max(value, other[i]));
        const inside = start.map((value, i) =>
          Math.min(Math.max(value, lower[i]), upper[i])
        );
        const found = minimizeLbfgs(wood, start, { lower, upper });
        assert(found.value <= wood(Float64Array.from(inside), null));
        found.x.forEach((value, i) =>
          assert(value >= lower[i] && value <= upper[i])
        );
      },
    ),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("`minimizeLbfgs()` refuses bounds that cross, are missing or NaN", () => {
  assertThrows(
    () => minimizeLbfgs(rosenbrock, [0, 0], { lower: [0, 2], upper: [1, 1] }),
    RangeError,
    "Cannot bound variable 1 as its lower bound must not be above its upper bound: current values are 2 and 1",
  );
  assertThrows(
    () => minimizeLbfgs(rosenbrock, [0, 0], { lower: [NaN, 0] }),
    RangeError,
    "Cannot bound variable 0",
  );
  assertThrows(
    () => minimizeLbfgs(rosenbrock, [0, 0], { upper: [1] }),
    TypeError,
    "expected 2, got 1",
  );
});

Deno.test("`minimizeLbfgs()` refuses a start where the function is not finite", () => {
  assertThrows(
    () => minimizeLbfgs(() => NaN, [0]),
    RangeError,
    "Cannot minimise as value and gradient at the start must be finite: current value is NaN",
  );
});

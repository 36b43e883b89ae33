// Acquisition functions against BoTorch, their gradients, their maximisation.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  expectedImprovement,
  logConstrainedExpectedImprovement,
  logExpectedImprovement,
  probabilityOfImprovement,
  upperConfidenceBound,
} from "../../optim/acquisition.ts";
import {
  createGaussianProcess,
  type GaussianProcess,
} from "../../optim/gp/gp.ts";
import type { SmoothFunction } from "../../optim/math/lbfgs.ts";
import { maximizeAcquisition } from "../../optim/maximize_acquisition.ts";
import { createPrng } from "../../optim/math/random.ts";
import { assertClose } from "../_compare.ts";
import fixture from "../fixtures/optim_botorch.json" with { type: "json" };

const { acquisition } = fixture;
const D = 2;
const points = Float64Array.from(acquisition.points);

/** The process of a fixture, with the hyper-parameters that BoTorch found. */
function processOf(index: number): GaussianProcess {
  const { inputs, outputs, lengthScales, noise, mean } = fixture.fits[index];
  return createGaussianProcess(
    { inputs: Float64Array.from(inputs), outputs: Float64Array.from(outputs) },
    "squaredExponential",
    {
      lengthScales: Float64Array.from(lengthScales),
      outputScale: 1,
      noise,
      mean,
    },
  );
}

const gp = processOf(0);
const constraint = { gp: processOf(1), limit: acquisition.limit };
const { best, beta } = acquisition;

const FUNCTIONS = {
  logExpectedImprovement: logExpectedImprovement(gp, best),
  expectedImprovement: expectedImprovement(gp, best),
  probabilityOfImprovement: probabilityOfImprovement(gp, best),
  upperConfidenceBound: upperConfidenceBound(gp, beta),
  logConstrainedExpectedImprovement: logConstrainedExpectedImprovement(
    gp,
    best,
    [constraint],
  ),
};

for (const [name, f] of Object.entries(FUNCTIONS)) {
  const expected = acquisition[name as keyof typeof FUNCTIONS];

  Deno.test(`\`${name}()\` agrees with BoTorch in value and gradient`, () => {
    const gradients: number[] = [];
    const values = expected.values.map((_, i) => {
      const gradient = new Float64Array(D);
      const value = f(points.subarray(i * D, (i + 1) * D), gradient);
      gradients.push(...gradient);
      return value;
    });
    assertClose(values, expected.values, { relative: 1e-8, absolute: 1e-14 });
    assertClose(gradients, expected.gradients, {
      relative: 1e-7,
      absolute: 1e-12,
    });
  });

  Deno.test(`\`${name}()\` has the same value with and without gradient`, () => {
    const x = Float64Array.of(0.31, 0.77);
    assertEquals(f(x, new Float64Array(D)), f(x, null));
  });
}

Deno.test("`logExpectedImprovement()` is the logarithm of `expectedImprovement()`", () => {
  const { expectedImprovement: ei, logExpectedImprovement: logEi } = FUNCTIONS;
  const random = createPrng(1);
  for (let i = 0; i < 50; i++) {
    const x = Float64Array.of(random(), random());
    const value = ei(x, null);
    if (value > 1e-200) {
      assertClose([logEi(x, null)], [Math.log(value)], { relative: 1e-12 });
    }
  }
});

Deno.test("`logExpectedImprovement()` climbs where `expectedImprovement()` is flat", () => {
  const x = Float64Array.from(fixture.fits[0].inputs.slice(0, D));
  const far = best + 1e6;
  const flat = new Float64Array(D);
  assertEquals(expectedImprovement(gp, far)(x, flat), 0);
  assertEquals([...flat], [0, 0]);
  const steep = new Float64Array(D);
  assert(Number.isFinite(logExpectedImprovement(gp, far)(x, steep)));
  assert(steep.every((slope) => Number.isFinite(slope) && slope !== 0));
});

Deno.test("`logConstrainedExpectedImprovement()` looks for feasible points while there are none", () => {
  const x = Float64Array.of(0.1, 0.8);
  const both = FUNCTIONS.logConstrainedExpectedImprovement(x, null);
  const objective = FUNCTIONS.logExpectedImprovement(x, null);
  const search = logConstrainedExpectedImprovement(gp, null, [constraint]);
  assertClose([search(x, null)], [both - objective], { relative: 1e-10 });
});

Deno.test("`logConstrainedExpectedImprovement()` adds up constraints", () => {
  const x = Float64Array.of(0.1, 0.8);
  const log = (count: number) =>
    logConstrainedExpectedImprovement(
      gp,
      null,
      Array(count).fill(constraint),
    )(x, null);
  assertClose([log(3)], [3 * log(1)], { relative: 1e-14 });
});

Deno.test("`upperConfidenceBound()` refuses a negative beta", () => {
  assertThrows(
    () => upperConfidenceBound(gp, -1),
    RangeError,
    "Cannot bound the objective as beta must be finite and >= 0: current value is -1",
  );
});

/** Two hills in the square, the higher one at (0.8, 0.3) with height 2. */
const hills: SmoothFunction = (x, gradient) => {
  gradient?.fill(0);
  let sum = 0;
  for (const [a, b, height] of [[0.8, 0.3, 2], [0.2, 0.7, 1]]) {
    const [u, v] = [x[0] - a, x[1] - b];
    const value = height * Math.exp(-50 * (u * u + v * v));
    sum += value;
    if (gradient !== null) {
      gradient[0] -= 100 * u * value;
      gradient[1] -= 100 * v * value;
    }
  }
  return sum;
};

function randomCandidates(count: number): Float64Array {
  const random = createPrng(4);
  return new Float64Array(count * D).map(() => random());
}

Deno.test("`maximizeAcquisition()` finds both hills, the higher one first", () => {
  const maxima = maximizeAcquisition(hills, D, {
    candidates: randomCandidates(200),
  });
  assertClose(maxima[0].x, [0.8, 0.3], { absolute: 1e-4 });
  assertClose([maxima[0].value], [2], { absolute: 1e-6 });
  assert(
    maxima.some(({ x }) => Math.hypot(x[0] - 0.2, x[1] - 0.7) < 1e-3),
  );
  assertEquals(maxima.length, 8);
});

Deno.test("`maximizeAcquisition()` stays between its bounds and fixes variables of equal ones", () => {
  const maxima = maximizeAcquisition(hills, D, {
    candidates: randomCandidates(50),
    lower: Float64Array.of(0, 0.5),
    upper: Float64Array.of(0.6, 0.5),
  });
  for (const { x } of maxima) {
    assertEquals(x[1], 0.5);
    assert(x[0] >= 0 && x[0] <= 0.6);
  }
});

Deno.test("`maximizeAcquisition()` finds the same maximum whatever the unit", () => {
  for (const factor of [1e-12, 1e12]) {
    const [{ x }] = maximizeAcquisition(
      (x, gradient) => {
        const value = hills(x, gradient);
        gradient?.forEach((slope, k) => gradient[k] = factor * slope);
        return factor * value;
      },
      D,
      { candidates: randomCandidates(200) },
    );
    assertClose(x, [0.8, 0.3], { absolute: 1e-4 });
  }
});

Deno.test("`maximizeAcquisition()` does with a single candidate", () => {
  const [{ value }] = maximizeAcquisition(hills, D, {
    candidates: Float64Array.of(0.7, 0.4),
  });
  assertClose([value], [2], { absolute: 1e-6 });
});

Deno.test("`maximizeAcquisition()` passes over candidates without a value", () => {
  const patchy: SmoothFunction = (x, gradient) =>
    x[0] < 0.5 ? NaN : hills(x, gradient);
  const [{ x }] = maximizeAcquisition(patchy, D, {
    candidates: randomCandidates(50),
  });
  assertClose(x, [0.8, 0.3], { absolute: 1e-4 });
  assertThrows(
    () =>
      maximizeAcquisition(() => NaN, D, { candidates: randomCandidates(3) }),
    RangeError,
    "Cannot maximise as the function must be finite at a candidate: it is at none of 3",
  );
});

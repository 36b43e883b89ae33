// Covariance functions against scikit-learn and by their own identities.

import { assertEquals } from "@std/assert";
import {
  applyCovariance,
  type CovarianceName,
  covarianceTriangle,
  crossCovariance,
  lengthScaleGradient,
  scalePoints,
} from "../../optim/gp/covariance.ts";
import { assertClose } from "../_compare.ts";
import fixture from "../fixtures/optim_sklearn.json" with { type: "json" };

const NAMES: readonly CovarianceName[] = [
  "matern12",
  "matern32",
  "matern52",
  "squaredExponential",
];
const inputs = Float64Array.from(fixture.inputs);
const points = Float64Array.from(fixture.points);
const lengthScales = Float64Array.from(fixture.lengthScales);
const D = lengthScales.length;
const N = inputs.length / D;
const scaled = new Float64Array(inputs.length);
scalePoints(inputs, lengthScales, scaled);

/** Covariance matrix and slopes of the fixture's inputs, lower triangles. */
function triangles(name: CovarianceName) {
  const matrix = new Float64Array(N * N);
  const slopes = new Float64Array(N * N);
  covarianceTriangle(name, scaled, D, matrix, slopes);
  return { matrix, slopes };
}

Deno.test("`applyCovariance()` gives the values of the formulas at distances 0 and 1", () => {
  const at = (name: CovarianceName) => {
    const values = Float64Array.of(0, 1);
    applyCovariance(name, values);
    return values;
  };
  assertClose(at("matern12"), [1, Math.exp(-1)], { relative: 1e-15 });
  assertClose(at("matern32"), [1, 0.4833577245965077], { relative: 1e-15 });
  assertClose(at("matern52"), [1, 0.5239941088318203], { relative: 1e-15 });
  assertClose(at("squaredExponential"), [1, Math.exp(-0.5)], {
    relative: 1e-15,
  });
});

for (const name of NAMES) {
  const expected = fixture.cases[name];

  Deno.test(`\`crossCovariance()\` of ${name} agrees with scikit-learn`, () => {
    const cross = crossCovariance(name, points, inputs, lengthScales);
    assertClose(cross, expected.cross, { relative: 1e-13 });
    const square = crossCovariance(name, inputs, inputs, lengthScales);
    assertClose(square, expected.matrix, { relative: 1e-13 });
  });

  Deno.test(`\`covarianceTriangle()\` of ${name} fills the lower triangle only`, () => {
    const { matrix } = triangles(name);
    assertClose(
      matrix,
      expected.matrix.map((k, at) => at % N <= Math.floor(at / N) ? k : 0),
      { relative: 1e-13 },
    );
  });

  Deno.test(`\`lengthScaleGradient()\` of ${name} agrees with scikit-learn`, () => {
    const { slopes } = triangles(name);
    for (let i = 0; i < N; i++) {
      for (let j = 0; j <= i; j++) {
        // This weight picks ∂K_ij + ∂K_ji.
        const weights = new Float64Array(N * N);
        weights[i * N + j] = 0.5;
        const gradient = new Float64Array(D);
        lengthScaleGradient(weights, slopes, scaled, gradient);
        const at = (i * N + j) * D;
        assertClose(gradient, expected.gradient.slice(at, at + D), {
          relative: 1e-12,
        });
      }
    }
  });

  Deno.test(`\`applyCovariance()\` of ${name} has the slope of its values`, () => {
    const r2 = Float64Array.of(1e-3, 0.1, 1, 4, 30);
    const [h, slopes] = [1e-6, new Float64Array(5)];
    const up = r2.map((x) => x * (1 + h));
    const down = r2.map((x) => x * (1 - h));
    const differences = r2.map((x) => 2 * h * x);
    applyCovariance(name, r2, slopes);
    applyCovariance(name, up);
    applyCovariance(name, down);
    assertClose(
      slopes,
      differences.map((step, i) => (up[i] - down[i]) / step),
      { relative: 1e-6 },
    );
  });
}

Deno.test("`applyCovariance()` of matern12 has a finite slope at distance 0", () => {
  const slopes = new Float64Array(1);
  applyCovariance("matern12", new Float64Array(1), slopes);
  assertEquals(slopes[0], 0);
});

Deno.test("`applyCovariance()` touches only the elements it is asked to", () => {
  const values = Float64Array.of(0, 0, 0, 7);
  applyCovariance("matern52", values, null, 1, 3);
  assertEquals(values, Float64Array.of(0, 1, 1, 7));
});

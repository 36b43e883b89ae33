// Gaussian processes of awkward observations: each gives finite numbers.

import { assert } from "@std/assert";
import fc from "fast-check";
import {
  logConstrainedExpectedImprovement,
  logExpectedImprovement,
  upperConfidenceBound,
} from "../../optim/acquisition.ts";
import type { CovarianceName } from "../../optim/gp/covariance.ts";
import {
  condition,
  createPredictor,
  type GaussianProcess,
  leaveOneOut,
  predictJointly,
  samplePosterior,
} from "../../optim/gp/gp.ts";
import { fitGaussianProcess, type FitOptions } from "../../optim/gp/fit.ts";
import { maximizeAcquisition } from "../../optim/maximize_acquisition.ts";
import type { Observations } from "../../optim/gp/observations.ts";
import { createPrng } from "../../optim/math/random.ts";
import { assertClose } from "../_compare.ts";

function assertFinite(values: ArrayLike<number>, label: string): void {
  for (let i = 0; i < values.length; i++) {
    assert(
      Number.isFinite(values[i]),
      `${label}: element ${i} is ${values[i]}`,
    );
  }
}

/** Uses a process in every way there is, and looks for numbers that are none. */
function exercise(gp: GaussianProcess): void {
  const d = gp.dimensions;
  const random = createPrng(gp.size);
  const elsewhere = new Float64Array(d).map(() => random());
  const here = gp.inputs.slice(0, d);
  for (const x of [here, elsewhere]) {
    const { mean, variance, meanGradient, varianceGradient } = createPredictor(
      gp,
    )(x, true);
    assertFinite([mean, variance], "prediction");
    assert(variance > 0);
    assertFinite(meanGradient, "mean gradient");
    assertFinite(varianceGradient, "variance gradient");
  }
  const pair = Float64Array.of(...here, ...elsewhere, ...here);
  assertFinite(predictJointly(gp, pair).covariance, "joint covariance");
  assertFinite(samplePosterior(gp, pair, 2, random), "samples");
  const { mean, variance, logDensity } = leaveOneOut(gp);
  assertFinite([...mean, ...variance, logDensity], "leave one out");

  const best = Math.max(...gp.outputs);
  const pending = condition(gp, here, best);
  const candidates = new Float64Array(20 * d).map(() => random());
  candidates.set(here);
  for (
    const f of [
      logExpectedImprovement(pending, best),
      upperConfidenceBound(gp, 4),
      logConstrainedExpectedImprovement(gp, best, [{ gp, limit: best }]),
    ]
  ) {
    const [top] = maximizeAcquisition(f, d, { candidates, restarts: 2 });
    assertFinite([top.value, ...top.x], "maximum");
  }
}

const COVARIANCES: readonly CovarianceName[] = [
  "matern12",
  "matern32",
  "matern52",
  "squaredExponential",
];

/** Options that say that outputs are nearly exact. */
const EXACT: FitOptions = {
  noisePrior: { location: -14, scale: 2, least: 1e-8 },
  outputScalePrior: { location: 1, scale: 1, least: 1e-3 },
};

Deno.test("`fitGaussianProcess()` and all that follows give finite numbers, whatever is observed", () => {
  // A coarse grid makes duplicates; a few outputs make constants.
  const coordinate = fc.oneof(
    fc.integer({ min: 0, max: 3 }).map((k) => k / 3),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );
  const output = fc.oneof(
    fc.constantFrom(0, 1, -1, 1e12, -1e12, 1e-12, 1e150, 1e-200),
    fc.double({ min: -1e12, max: 1e12, noNaN: true }),
  );
  const observed = fc.integer({ min: 1, max: 3 }).chain((d) =>
    fc.array(
      fc.tuple(fc.array(coordinate, { minLength: d, maxLength: d }), output),
      { minLength: 1, maxLength: 12 },
    )
  );
  fc.assert(
    fc.property(
      observed,
      fc.constantFrom(...COVARIANCES),
      fc.constantFrom("learnt", "known", "exact"),
      (rows, covariance, noise) => {
        const told: Observations = {
          inputs: Float64Array.from(rows.flatMap(([x]) => x)),
          outputs: Float64Array.from(rows, ([, y]) => y),
          ...(noise === "known" &&
            { noiseVariances: new Float64Array(rows.length) }),
        };
        exercise(fitGaussianProcess(told, {
          covariance,
          ...(noise === "exact" && EXACT),
        }));
      },
    ),
    { numRuns: 150, seed: 1 },
  );
});

Deno.test("`fitGaussianProcess()` scales with its outputs", () => {
  const inputs = Float64Array.of(0, 0.2, 0.5, 0.6, 1);
  const outputs = Float64Array.of(1, 2, 0, -1, 3);
  const x = Float64Array.of(0.3);
  const predict = (factor: number) =>
    createPredictor(fitGaussianProcess({
      inputs,
      outputs: outputs.map((y) => y * factor),
    }))(x, false);
  const { mean, variance } = predict(1);
  for (const factor of [1e-12, 1e12, 1e-140, 1e140]) {
    const scaled = predict(factor);
    assertClose([scaled.mean], [mean * factor], { relative: 1e-9 });
    assertClose([Math.sqrt(scaled.variance)], [Math.sqrt(variance) * factor], {
      relative: 1e-9,
    });
  }
});

Deno.test("`fitGaussianProcess()` of constant outputs predicts the constant", () => {
  for (const constant of [0, 7, 1e12, -1e-12]) {
    const gp = fitGaussianProcess({
      inputs: Float64Array.of(0, 0.3, 0.6, 0.9),
      outputs: new Float64Array(4).fill(constant),
    });
    exercise(gp);
    const { mean } = createPredictor(gp)(Float64Array.of(0.5), false);
    assertClose([mean], [constant], { relative: 1e-12, absolute: 1e-12 });
  }
});

Deno.test("`fitGaussianProcess()` averages over duplicated points", () => {
  const gp = fitGaussianProcess({
    inputs: Float64Array.of(0.5, 0.5, 0.5, 0.5, 0, 1),
    outputs: Float64Array.of(1, 2, 1, 2, 0, 3),
  });
  exercise(gp);
  const { mean } = createPredictor(gp)(Float64Array.of(0.5), false);
  assertClose([mean], [1.5], { absolute: 0.1 });
});

Deno.test("`fitGaussianProcess()` of one observation predicts it, and doubt elsewhere", () => {
  const gp = fitGaussianProcess({
    inputs: Float64Array.of(0.5, 0.5),
    outputs: Float64Array.of(3),
  });
  exercise(gp);
  const predict = createPredictor(gp);
  const { mean, variance } = predict(Float64Array.of(0.5, 0.5), false);
  assertClose([mean], [3], { relative: 1e-12 });
  assert(predict(Float64Array.of(0, 1), false).variance > variance);
});

Deno.test("`fitGaussianProcess()` fits 500 observations on a line, with and without noise", () => {
  const inputs = new Float64Array(500).map((_, i) => i / 499);
  const outputs = inputs.map((x) => Math.sin(20 * x));
  for (const covariance of ["matern52", "squaredExponential"] as const) {
    const known = new Float64Array(500);
    const gp = fitGaussianProcess({ inputs, outputs, noiseVariances: known }, {
      covariance,
    });
    exercise(gp);
    const { mean } = createPredictor(gp)(Float64Array.of(0.1234), false);
    assertClose([mean], [Math.sin(20 * 0.1234)], { absolute: 1e-3 });
  }
});

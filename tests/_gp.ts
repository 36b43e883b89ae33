/** The Gaussian processes of the fixtures. */

import type { CovarianceName } from "../optim/gp/covariance.ts";
import { createGaussianProcess, type GaussianProcess } from "../optim/gp/gp.ts";
import { lengthScalePrior, NOISE_PRIOR } from "../optim/gp/fit.ts";
import { LogPosterior } from "../optim/gp/likelihood.ts";
import { type Observations, standardise } from "../optim/gp/observations.ts";
import sklearn from "./fixtures/optim_sklearn.json" with { type: "json" };

/** All covariance functions. */
export const NAMES: readonly CovarianceName[] = [
  "matern12",
  "matern32",
  "matern52",
  "squaredExponential",
];

/** A prior for the output scale, which has none by default. */
export const OUTPUT_SCALE_PRIOR = { location: 1, scale: 1, least: 1e-3 };

/** What scikit-learn's processes observed. */
export const OBSERVATIONS: Observations = {
  inputs: Float64Array.from(sklearn.inputs),
  outputs: Float64Array.from(sklearn.outputs),
};

/** Where they were asked. */
export const POINTS: Float64Array = Float64Array.from(sklearn.points);

/** d, n and m of the above. */
export const D: number = sklearn.lengthScales.length;
export const N: number = sklearn.outputs.length;
export const M: number = POINTS.length / D;

/** Scikit-learn's process, with the constant mean that is best for it. */
export function sklearnProcess(name: CovarianceName): GaussianProcess {
  return createGaussianProcess(OBSERVATIONS, name, {
    lengthScales: Float64Array.from(sklearn.lengthScales),
    outputScale: sklearn.outputScale,
    noise: sklearn.noise,
    mean: sklearn.cases[name].mean,
  });
}

/** θ of scikit-learn's process: log length scales, noise and output scale. */
export const THETA: Float64Array = Float64Array.of(
  ...sklearn.lengthScales,
  sklearn.noise,
  sklearn.outputScale,
).map(Math.log);

/** The log posterior of scikit-learn's observations. */
export function sklearnPosterior(name: CovarianceName): LogPosterior {
  return new LogPosterior(standardise(OBSERVATIONS, D), D, name, {
    lengthScale: lengthScalePrior(D),
    noise: NOISE_PRIOR,
    outputScale: OUTPUT_SCALE_PRIOR,
  });
}

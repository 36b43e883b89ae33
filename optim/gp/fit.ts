/**
 * Fitting a Gaussian process: its hyper-parameters by maximum a posteriori,
 * which is one model rather than the average over all that are plausible.
 *
 * The default priors are those of BoTorch since 0.12: the length scales' grows
 * with √d, so that a model of many inputs does not start out believing in
 * nothing but noise (Hvarfner et al. 2024, "Vanilla Bayesian optimization
 * performs great in high dimensions").
 */

// This module is browser compatible.

import { log } from "../math/elementary.ts";
import type { CovarianceName } from "./covariance.ts";
import {
  createGaussianProcess,
  type GaussianProcess,
  type HyperParameters,
} from "./gp.ts";
import {
  type LogNormalPrior,
  LogPosterior,
  type Priors,
} from "./likelihood.ts";
import { checkKeys } from "../keys.ts";
import { minimizeLbfgs, type SmoothFunction } from "../math/lbfgs.ts";
import {
  type Observations,
  standardise,
  type Standardised,
  takeEvenly,
} from "./observations.ts";

/** How to fit. */
export interface FitOptions {
  /** Default "matern52". */
  readonly covariance?: CovarianceName;
  /**
   * Prior of each length scale, in units of the cube. Default
   * `lengthScalePrior(d)`.
   */
  readonly lengthScalePrior?: LogNormalPrior;
  /** Prior of a learnt noise variance. Default `NOISE_PRIOR`. */
  readonly noisePrior?: LogNormalPrior;
  /** Prior of the output scale. Absent: it is fixed at 1, as in BoTorch. */
  readonly outputScalePrior?: LogNormalPrior;
  /**
   * From how many starting points L-BFGS is run, those of the largest posterior
   * density. Default 2.
   */
  readonly starts?: number;
}

/** All keys of `FitOptions`. */
const OPTIONS = [
  "covariance",
  "lengthScalePrior",
  "noisePrior",
  "outputScalePrior",
  "starts",
] as const satisfies readonly (keyof FitOptions)[];

/** Up to this many observations a fit costs next to nothing. */
const FEW = 64;

/** Upper bound of log hyper-parameters, in prior deviations above the mean. */
const FAR = 8;

/** Log densities that differ by less give models that are equal in practice. */
const VALUE_TOLERANCE = 1e-6;
const GRADIENT_TOLERANCE = 1e-5;

/** Starting length scales, in modes of their prior. */
const LENGTH_SCALE_STARTS: readonly number[] = [0.5, 1, 3, 10];

/** Starting noise variances, in modes of their prior. */
const NOISE_STARTS: readonly number[] = [1, 0.1];

/**
 * The prior of the noise variance of standardised outputs, LogNormal(−4, 1) and
 * at least 1e-4: as in BoTorch.
 */
export const NOISE_PRIOR: LogNormalPrior = {
  location: -4,
  scale: 1,
  least: 1e-4,
};

/**
 * The prior of each length scale in d dimensions, LogNormal(√2 + ½ log d, √3)
 * and at least 0.025: as in BoTorch.
 *
 * @param d Input dimensions.
 * @returns The prior.
 */
export function lengthScalePrior(d: number): LogNormalPrior {
  return {
    location: Math.SQRT2 + 0.5 * log(d),
    scale: Math.sqrt(3),
    least: 0.025,
  };
}

/**
 * Fits a Gaussian process to observations. The same observations and options
 * give the same process.
 *
 * @param observations What was observed.
 * @param options Covariance function, priors and starts.
 * @returns The process of the best hyper-parameters found.
 * @throws {TypeError} If the observations do not fit together.
 * @throws {RangeError} If a number is not finite.
 *
 * @example A function of one input
 * ```ts
 * import {
 *   createPredictor,
 *   fitGaussianProcess,
 * } from "@tokensieve/tokensieve/optim";
 *
 * const inputs = Float64Array.of(0, 0.3, 0.6, 1);
 * const outputs = inputs.map((x) => Math.sin(6 * x));
 * const predict = createPredictor(fitGaussianProcess({ inputs, outputs }));
 * const { mean, variance } = predict(Float64Array.of(0.45), false);
 * ```
 */
export function fitGaussianProcess(
  observations: Observations,
  options: FitOptions = {},
): GaussianProcess {
  checkKeys("fit a Gaussian process", "options", options, OPTIONS);
  const { inputs, outputs } = observations;
  const d = inputs.length / outputs.length;
  const data = standardise(observations, d);
  const { starts = 2 } = options;
  if (!Number.isInteger(starts) || starts < 1) {
    throw new RangeError(
      `Cannot fit a Gaussian process as starts must be a positive integer: current value is ${starts}`,
    );
  }
  const problem: Problem = {
    d,
    covariance: options.covariance ?? "matern52",
    priors: {
      lengthScale: options.lengthScalePrior ?? lengthScalePrior(d),
      noise: options.noisePrior ?? NOISE_PRIOR,
      outputScale: options.outputScalePrior ?? null,
    },
    starts,
  };
  const best = findMaximum(data, problem);
  return createGaussianProcess(observations, problem.covariance, best);
}

/** The fit, without its observations. */
interface Problem {
  readonly d: number;
  readonly covariance: CovarianceName;
  readonly priors: Priors;
  readonly starts: number;
}

/** The hyper-parameters of the largest posterior density found. */
function findMaximum(data: Standardised, problem: Problem): HyperParameters {
  const { d, covariance, priors, starts } = problem;
  const posterior = new LogPosterior(data, d, covariance, priors);
  const loss: SmoothFunction = (theta, gradient) => {
    const value = posterior.evaluate(theta, gradient);
    gradient?.forEach((slope, i) => gradient[i] = -slope);
    return -value;
  };
  const options = {
    lower: posterior.priors.map(({ least }) => log(least)),
    upper: posterior.priors.map(({ location, scale }) =>
      location + FAR * scale
    ),
    gradientTolerance: GRADIENT_TOLERANCE,
    valueTolerance: VALUE_TOLERANCE,
  };
  const [best] = startingPoints(data, problem, posterior)
    .map((theta) => ({ theta, value: loss(theta, null) }))
    .sort((a, b) => a.value - b.value)
    .slice(0, starts)
    .map(({ theta }) => minimizeLbfgs(loss, theta, options))
    .sort((a, b) => a.value - b.value);
  return posterior.hyperParameters(best.x);
}

/**
 * Where to start from, as θ.
 *
 * For few observations: a grid of length scales and noise variances. All length
 * scales are equal; L-BFGS finds out which inputs matter. For many observations:
 * the maximum for a quarter of them, which takes a sixty-fourth of the time.
 */
function startingPoints(
  data: Standardised,
  problem: Problem,
  posterior: LogPosterior,
): Float64Array[] {
  const { d } = problem;
  const { priors } = posterior;
  const n = data.y.length;
  if (n > FEW) {
    const some = takeEvenly(data, d, Math.max(FEW, n >> 2));
    return [posterior.theta(findMaximum(some, problem))];
  }
  // If the noise is known, the output scale takes its place.
  const others = priors.length > d ? NOISE_STARTS : [1];
  return LENGTH_SCALE_STARTS.flatMap((lengthScale) =>
    others.map((other) =>
      Float64Array.from(priors, ({ location, scale, least }, i) => {
        const factor = i < d ? lengthScale : i === d ? other : 1;
        const mode = location - scale * scale;
        return Math.max(mode + log(factor), log(least));
      })
    )
  );
}

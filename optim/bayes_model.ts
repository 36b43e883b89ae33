/**
 * What a Bayesian optimisation believes: Gaussian processes fitted to what it
 * was told, with priors of its own.
 */

// This module is browser compatible.

import type { ModelledConstraint } from "./acquisition.ts";
import {
  type BayesState,
  type Evaluation,
  type Fit,
  isFeasible,
} from "./bayes_state.ts";
import { createGaussianProcess, type GaussianProcess } from "./gp.ts";
import { fitGaussianProcess } from "./gp_fit.ts";
import type { LogNormalPrior } from "./gp_likelihood.ts";
import { createSpace, encode, type Point, type Space } from "./space.ts";
import { fitWarp, type Warp, warpValue } from "./warp.ts";

/**
 * Prior of the noise variance of standardised outputs. BoTorch's, LogNormal(−4,
 * 1) of at least 1e-4, takes the last two digits of a function without noise for
 * noise and stops looking for them; this one leaves it to the data (our
 * decision, as the two priors below; bench/optim.ts shows what they are worth).
 */
const NOISE_PRIOR: LogNormalPrior = { location: -6, scale: 2, least: 1e-8 };

/** How values at two points vary together. */
const COVARIANCE = "matern52";

/** Prior of the output scale: standardised outputs vary by about 1. */
const OUTPUT_SCALE_PRIOR: LogNormalPrior = {
  location: 0,
  scale: 1,
  least: 1e-3,
};

/**
 * Prior of the length scales in d dimensions, LogNormal(½ log d, 1). It grows
 * with √d as BoTorch's does, but is narrower: with few noisy observations that
 * one may take the shortest length scale there is and explain them all as ups
 * and downs.
 */
function valueLengthScalePrior(d: number): LogNormalPrior {
  return { location: 0.5 * Math.log(d), scale: 1, least: 0.025 };
}

/**
 * Prior of the length scales of where evaluations fail, LogNormal(log ½ + ½ log
 * d, ½). The step from −1 to 1 is best explained by the shortest length scale
 * there is, and then every failure would be a matter of its point alone; this
 * prior has them come in regions.
 */
function failureLengthScalePrior(d: number): LogNormalPrior {
  return {
    location: Math.log(0.5) + 0.5 * Math.log(d),
    scale: 0.5,
    least: 0.1,
  };
}

/** Of up to so many observations hyper-parameters are found anew every time. */
const FEW = 60;

/** Of more, whenever they have become so many times as many. */
const GROWTH = 1.1;

/**
 * So many times the reference, or 1 if that is less: next to such a number, what
 * distinguishes the others is lost to rounding. See `tame()`.
 */
const OUT_OF_PROPORTION = 1e15;

/** Differences of larger numbers overflow. */
const LARGEST = 1e300;

/** What is believed of objective and constraints. */
export interface BayesModel {
  /** The space. */
  readonly space: Space;
  /** 1 if large values are good, −1 if small ones are. */
  readonly sign: 1 | -1;
  /** From sign · value to what `objective` models. */
  readonly warp: Warp;
  /** Model of the warped values, large ones being good. */
  readonly objective: GaussianProcess;
  /** Models of the constraints, and of where evaluations fail if any did. */
  readonly constraints: readonly ModelledConstraint[];
  /** Hyper-parameters of all models, for the state. */
  readonly fits: readonly (Fit | null)[];
}

/**
 * Fits the models.
 *
 * Where an evaluation failed is one more constraint: 1 where it did, −1 where it
 * did not, to be at most 0. Gaussian-process regression of labels is a crude
 * classifier, but one that needs nothing else (our decision).
 *
 * @param state The optimisation, with at least one value.
 * @returns The models.
 */
export function fitModel(state: BayesState): BayesModel {
  const space = createSpace(state.parameters);
  const { evaluations } = state;
  const sign = state.goal === "maximise" ? 1 : -1;
  const values = evaluations.map(({ value }) => value);
  const scores = values.map((value) => value === null ? null : sign * value);
  const best = Math.max(...scores.filter((score) => score !== null));
  const tamed = tame(scores, best);
  const warp = fitWarp(Float64Array.from(tamed.filter((s) => s !== null)));
  const warped = tamed.map((score) =>
    score === null ? null : warpValue(warp, score)
  );
  const limited = state.constraints.map((_, c) =>
    tame(evaluations.map(({ constraints }) => constraints[c]), 0)
  );
  const failed = values.map((value) => value === null ? 1 : -1);
  const lengthScale = valueLengthScalePrior(space.dimensions);
  const models = [warped, ...limited].map((outputs, i) =>
    fitTo(space, evaluations, outputs, lengthScale, state.fits[i])
  );
  if (values.includes(null)) {
    const lengthScale = failureLengthScalePrior(space.dimensions);
    const fit = state.fits[models.length];
    models.push(fitTo(space, evaluations, failed, lengthScale, fit));
  }
  const [objective, ...constraints] = models;
  return {
    space,
    sign,
    warp,
    objective: objective!.gp,
    constraints: constraints
      .filter((model) => model !== null)
      .map(({ gp }) => ({ gp, limit: 0 })),
    fits: models.map((model) => model && model.fit),
  };
}

/**
 * Moves numbers that are out of all proportion to a reference, such as 1e300 for
 * "as bad as can be", to twice as far from it as the others reach: next to 1e300
 * all other values would be the same. None is larger than `LARGEST` afterwards.
 */
function tame(
  values: readonly (number | null)[],
  reference: number,
): (number | null)[] {
  const most = OUT_OF_PROPORTION * Math.max(Math.abs(reference), 1);
  const others = values.filter((value) =>
    value !== null && Math.abs(value - reference) <= most
  ) as number[];
  const low = Math.max(Math.min(reference, ...others), -LARGEST);
  const high = Math.min(Math.max(reference, ...others), LARGEST);
  const reach = high - low || 1;
  return values.map((value) =>
    value === null ? null : Math.max(low - reach, Math.min(high + reach, value))
  );
}

/**
 * Fits to those outputs that are not null; null if all are.
 *
 * @param earlier The last fit to the same outputs when they were fewer. Its
 * hyper-parameters are good for some more observations: to find them is most of
 * the work when there are many.
 */
function fitTo(
  space: Space,
  evaluations: readonly Evaluation[],
  values: readonly (number | null)[],
  lengthScalePrior: LogNormalPrior,
  earlier: Fit | null = null,
): { gp: GaussianProcess; fit: Fit } | null {
  const told = values.flatMap((value, i) => value === null ? [] : [i]);
  if (told.length === 0) return null;
  const inputs = new Float64Array(told.length * space.dimensions);
  told.forEach((i, row) => {
    inputs.set(encode(space, evaluations[i].point), row * space.dimensions);
  });
  const outputs = Float64Array.from(told, (i) => values[i]!);
  const observations = { inputs, outputs };
  if (
    earlier !== null && told.length > FEW &&
    told.length < GROWTH * earlier.size
  ) {
    const gp = createGaussianProcess(observations, COVARIANCE, {
      ...earlier,
      lengthScales: Float64Array.from(earlier.lengthScales),
    });
    return { gp, fit: earlier };
  }
  const gp = fitGaussianProcess(observations, {
    covariance: COVARIANCE,
    lengthScalePrior,
    noisePrior: NOISE_PRIOR,
    outputScalePrior: OUTPUT_SCALE_PRIOR,
  });
  const { lengthScales, ...others } = gp.hyperParameters;
  const fit = { size: gp.size, lengthScales: [...lengthScales], ...others };
  return { gp, fit };
}

/** A point that was evaluated, and what the model expects there. */
export interface Expected {
  /** The point. */
  readonly point: Point;
  /** Its coordinates, length d. */
  readonly x: Float64Array;
  /** Mean of the model there: a warped value, large ones being good. */
  readonly value: number;
}

/**
 * The feasible point, among those that were evaluated, of which the model
 * expects most; null if none is feasible. Noise does not make it look better
 * than it is, as it does the point of the best value.
 */
export function bestExpected(
  { evaluations }: BayesState,
  { space, objective }: BayesModel,
): Expected | null {
  const { outputs, outputDeviation, noiseVariances, jitter, weights } =
    objective;
  let best: Expected | null = null;
  const told = evaluations.filter(({ value }) => value !== null);
  told.forEach((evaluation, i) => {
    // As K α = y − m, what the mean at an observation leaves of it is noise · α.
    const left = (noiseVariances[i] + jitter) * weights[i];
    const value = outputs[i] - outputDeviation * left;
    if (isFeasible(evaluation) && (best === null || value > best.value)) {
      const { point } = evaluation;
      best = { point, x: encode(space, point), value };
    }
  });
  return best;
}

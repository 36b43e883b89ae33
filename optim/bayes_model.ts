/**
 * The model of a Bayesian optimisation: Gaussian processes of the objective, of
 * the constraints and of the failures, with priors of their own.
 */

// This module is browser compatible.

import { log } from "./math/elementary.ts";
import type { ModelledConstraint } from "./acquisition.ts";
import {
  type BayesState,
  type Evaluation,
  type Fit,
  isFeasible,
} from "./bayes_state.ts";
import { createGaussianProcess, type GaussianProcess } from "./gp/gp.ts";
import { fitGaussianProcess } from "./gp/fit.ts";
import type { LogNormalPrior } from "./gp/likelihood.ts";
import { createSpace, encode, type Point, type Space } from "./space.ts";
import { fitWarp, type Warp, warpValue } from "./warp.ts";

/**
 * Prior of the noise variance of standardised outputs. BoTorch's LogNormal(−4, 1)
 * of at least 1e-4 treats the last two digits of a noiseless function as noise and
 * does not resolve them. This prior lets the data decide. It and the two priors
 * below are our decision; bench/optim.ts measures them.
 */
const NOISE_PRIOR: LogNormalPrior = { location: -6, scale: 2, least: 1e-8 };

/** The covariance function of all models. */
const COVARIANCE = "matern52";

/** Prior of the output scale: the variance of standardised outputs is 1. */
const OUTPUT_SCALE_PRIOR: LogNormalPrior = {
  location: 0,
  scale: 1,
  least: 1e-3,
};

/**
 * Prior of the length scales in d dimensions, LogNormal(½ log d, 1). It grows
 * with √d as BoTorch's does, but is narrower. With a wide prior, a few noisy
 * observations are often explained by the shortest length scale and no noise.
 */
function valueLengthScalePrior(d: number): LogNormalPrior {
  return { location: 0.5 * log(d), scale: 1, least: 0.025 };
}

/**
 * Prior of the length scales of the failures, LogNormal(log ½ + ½ log d, ½). The
 * likelihood of a step from −1 to 1 is largest at the shortest length scale, at
 * which a failure says nothing about its neighbours. This prior keeps failures in
 * regions.
 */
function failureLengthScalePrior(d: number): LogNormalPrior {
  return {
    location: log(0.5) + 0.5 * log(d),
    scale: 0.5,
    least: 0.1,
  };
}

/**
 * How failures constrain. Where the optimum lies behind a border, the improvement
 * expected there exceeds all others by orders of magnitude, so that a probability
 * of success of one in ten thousand would not stop it, and every suggestion fails.
 * So success counts eight times, and a point counts as a success only where the
 * model is nearer to −1 than to 0 (our decision; `bench/optim_hard.ts --only
 * failures` measures it).
 */
const FAILURES = { limit: -0.5, weight: 8 };

/** Up to this many observations, hyper-parameters are fitted at every step. */
const FEW = 60;

/** Beyond that they are fitted when the observations grew by this factor. */
const GROWTH = 1.1;

/**
 * A number is out of proportion if it is this many times the reference (or 1, if
 * the reference is smaller). Rounding then hides the differences of the others.
 */
const OUT_OF_PROPORTION = 1e15;

/** Differences of larger numbers overflow. */
const LARGEST = 1e300;

/** Most evaluations that are modelled, and the best that they are near to. */
const MOST = 400;
const BEST = 8;

/** Share of the modelled ones that are near to those. */
const NEAR_SHARE = 0.75;

/** Models of objective and constraints. */
export interface BayesModel {
  /** The space. */
  readonly space: Space;
  /** 1 if large values are good, −1 if small ones are. */
  readonly sign: 1 | -1;
  /** From sign · value to what `objective` models. */
  readonly warp: Warp;
  /** Model of the warped values, large ones being good. */
  readonly objective: GaussianProcess;
  /** The evaluations that it was fitted to, in the order of its rows. */
  readonly modelled: readonly Evaluation[];
  /** Models of the constraints, and of where evaluations fail if any did. */
  readonly constraints: readonly ModelledConstraint[];
  /** Hyper-parameters of all models, for the state. */
  readonly fits: readonly (Fit | null)[];
}

/**
 * Fits the models.
 *
 * Failures are one more constraint: its value is 1 where an evaluation failed and
 * −1 where it did not. Regression of labels is a crude classifier, but a probit
 * classifier (Rasmussen & Williams 2006, section 3.4) in its place had no fewer
 * failures.
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
  const inputs = evaluations.map(({ point }) => encode(space, point));
  const rows = chooseRows(evaluations, inputs, scores);
  const lengthScale = valueLengthScalePrior(space.dimensions);
  const models = [warped, ...limited].map((outputs, i) =>
    fitTo(rows, inputs, outputs, lengthScale, state.fits[i])
  );
  if (values.includes(null)) {
    const lengthScale = failureLengthScalePrior(space.dimensions);
    const fit = state.fits[models.length];
    models.push(fitTo(rows, inputs, failed, lengthScale, fit));
  }
  const [objective, ...constraints] = models;
  return {
    space,
    sign,
    warp,
    objective: objective!.gp,
    modelled: rows.map((row) => evaluations[row])
      .filter(({ value }) => value !== null),
    constraints: constraints
      .map((model, i) =>
        model &&
        { gp: model.gp, ...(i < limited.length ? { limit: 0 } : FAILURES) }
      )
      .filter((constraint) => constraint !== null),
    fits: models.map((model) => model && model.fit),
  };
}

/**
 * Moves numbers that are out of proportion to a reference, such as a penalty of
 * 1e300, closer: to twice the range of the others. Beside 1e300 all other values
 * would be equal. No number is larger than about `LARGEST` afterwards.
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
 * Fits a process to the outputs that are not null; null if all are null.
 *
 * @param rows The evaluations that are modelled.
 * @param inputs Coordinates of all evaluations.
 * @param values Their outputs.
 * @param lengthScalePrior Prior of the length scales.
 * @param earlier The last fit to these outputs, when they were fewer. Finding
 * hyper-parameters is most of the work when there are many observations, so they
 * are kept until there are clearly more.
 */
function fitTo(
  rows: readonly number[],
  inputs: readonly Float64Array[],
  values: readonly (number | null)[],
  lengthScalePrior: LogNormalPrior,
  earlier: Fit | null = null,
): { gp: GaussianProcess; fit: Fit } | null {
  const told = rows.filter((row) => values[row] !== null);
  if (told.length === 0) return null;
  const d = inputs[0].length;
  const observations = {
    inputs: new Float64Array(told.length * d),
    outputs: Float64Array.from(told, (row) => values[row]!),
  };
  told.forEach((row, i) => observations.inputs.set(inputs[row], i * d));
  const size = values.filter((value) => value !== null).length;
  if (earlier !== null && size > FEW && size < GROWTH * earlier.size) {
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
  const fit = { size, lengthScales: [...lengthScales], ...others };
  return { gp, fit };
}

/**
 * The evaluations that are modelled. The time of a fit and of a suggestion grows
 * with the square and cube of their number, so that of more than `MOST` a part
 * stands for all: most are nearest to one of the best, and the others are as far
 * apart as possible. The best alone would be those with lucky noise.
 *
 * @param evaluations All evaluations.
 * @param inputs Their coordinates.
 * @param scores Their values, large ones being good; null where one failed.
 * @returns Indices, rising.
 */
function chooseRows(
  evaluations: readonly Evaluation[],
  inputs: readonly Float64Array[],
  scores: readonly (number | null)[],
): number[] {
  const all = evaluations.map((_, i) => i);
  if (all.length <= MOST) return all;
  const best = all.filter((i) => isFeasible(evaluations[i]))
    .sort((a, b) => scores[b]! - scores[a]!)
    .slice(0, BEST);
  /** Squared distance to the nearest that is chosen. */
  const distances = new Float64Array(all.length).fill(Infinity);
  const approach = (to: number): void => {
    for (const i of all) {
      let square = 0;
      for (let k = 0; k < inputs[i].length; k++) {
        const difference = inputs[i][k] - inputs[to][k];
        square += difference * difference;
      }
      distances[i] = Math.min(distances[i], square);
    }
  };
  best.forEach(approach);
  const rows = new Set(
    best.length === 0
      ? [0]
      : all.toSorted((a, b) => distances[a] - distances[b]).slice(
        0,
        NEAR_SHARE * MOST,
      ),
  );
  rows.forEach(approach);
  while (rows.size < MOST) {
    const next = all.reduce((a, b) => distances[b] > distances[a] ? b : a);
    // All others are where one is already.
    if (rows.has(next)) break;
    rows.add(next);
    approach(next);
  }
  return [...rows].sort((a, b) => a - b);
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
 * The evaluated feasible point with the largest mean; null if none is feasible.
 * The best observed value is biased by noise, the mean is not.
 */
export function bestExpected(model: BayesModel): Expected | null {
  return rankExpected(model).at(0) ?? null;
}

/** All feasible points that are modelled, the largest mean first. */
export function rankExpected(
  { space, objective, modelled }: BayesModel,
): Expected[] {
  const { outputs, outputDeviation, noiseVariances, jitter, weights } =
    objective;
  const ranked: Expected[] = [];
  modelled.forEach((evaluation, i) => {
    if (!isFeasible(evaluation)) return;
    // K α = y − m, so the mean at an observation is the output less noise · α.
    const left = (noiseVariances[i] + jitter) * weights[i];
    const value = outputs[i] - outputDeviation * left;
    const { point } = evaluation;
    ranked.push({ point, x: encode(space, point), value });
  });
  return ranked.sort((a, b) => b.value - a.value);
}

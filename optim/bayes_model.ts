/**
 * What a Bayesian optimisation believes: Gaussian processes fitted to what it
 * was told, and the proposals that follow from them.
 */

// This module is browser compatible.

import {
  logConstrainedExpectedImprovement,
  type ModelledConstraint,
} from "./acquisition.ts";
import {
  type BayesState,
  type Evaluation,
  isFeasible,
  takenKeys,
} from "./bayes_state.ts";
import { condition, createPredictor, type GaussianProcess } from "./gp.ts";
import { fitGaussianProcess } from "./gp_fit.ts";
import type { LogNormalPrior } from "./gp_likelihood.ts";
import { type Candidate, propose } from "./propose.ts";
import type { Prng } from "./random.ts";
import {
  createSpace,
  encode,
  type Point,
  pointKey,
  type Space,
} from "./space.ts";
import { fitWarp, type Warp, warpValue } from "./warp.ts";

/**
 * Prior of the noise variance of standardised outputs. BoTorch's, LogNormal(−4,
 * 1) of at least 1e-4, takes the last two digits of a function without noise for
 * noise and stops looking for them; this one leaves it to the data (our
 * decision, as the two priors below; bench/optim.ts shows what they are worth).
 */
const NOISE_PRIOR: LogNormalPrior = { location: -6, scale: 2, least: 1e-8 };

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
  const scores = Float64Array.from(
    values.filter((value) => value !== null),
    (value) => sign * value,
  );
  const warp = fitWarp(scores);
  const warped = values.map((value) =>
    value === null ? null : warpValue(warp, sign * value)
  );
  const models = state.constraints
    .map((_, c) => evaluations.map(({ constraints }) => constraints[c]))
    .filter((ofConstraint) => ofConstraint.some((value) => value !== null))
    .map((ofConstraint) => fitTo(space, evaluations, ofConstraint));
  if (values.includes(null)) {
    const failed = values.map((value) => value === null ? 1 : -1);
    const prior = failureLengthScalePrior(space.dimensions);
    models.push(fitTo(space, evaluations, failed, prior));
  }
  return {
    space,
    sign,
    warp,
    objective: fitTo(space, evaluations, warped),
    constraints: models.map((gp) => ({ gp, limit: 0 })),
  };
}

/** Fits to those values that are not null, at least one, of all evaluations. */
function fitTo(
  space: Space,
  evaluations: readonly Evaluation[],
  values: readonly (number | null)[],
  lengthScale: LogNormalPrior = valueLengthScalePrior(space.dimensions),
): GaussianProcess {
  const told = values.flatMap((value, i) => value === null ? [] : [i]);
  const inputs = new Float64Array(told.length * space.dimensions);
  told.forEach((i, row) => {
    inputs.set(encode(space, evaluations[i].point), row * space.dimensions);
  });
  const outputs = Float64Array.from(told, (i) => values[i]!);
  return fitGaussianProcess({ inputs, outputs }, {
    lengthScalePrior: lengthScale,
    noisePrior: NOISE_PRIOR,
    outputScalePrior: OUTPUT_SCALE_PRIOR,
  });
}

/**
 * The points where most improvement is expected, one after the other.
 *
 * @param state The optimisation, with at least one value.
 * @param count How many.
 * @param random Makes the points to try.
 * @returns The proposals with their log (constrained) expected improvement, in
 * standard deviations of the values; fewer when all other points are taken.
 */
export function proposeByModel(
  state: BayesState,
  count: number,
  random: Prng,
): Candidate[] {
  const model = fitModel(state);
  let belief: Belief = { model, best: bestExpected(state, model) };
  for (const point of state.pending) belief = believe(belief, point);
  const taken = takenKeys(model.space, state);
  const proposals: Candidate[] = [];
  while (proposals.length < count) {
    const { best, model: { space, objective, constraints } } = belief;
    const proposal = propose(
      space,
      logConstrainedExpectedImprovement(
        objective,
        best?.value ?? null,
        constraints,
      ),
      { around: best === null ? [] : [best.x], taken, random },
    );
    if (proposal === null) break;
    proposals.push(proposal);
    taken.add(pointKey(space, proposal.point));
    belief = believe(belief, proposal.point);
  }
  return proposals;
}

/** A model, and the best point if all comes out as it expects. */
interface Belief {
  readonly model: BayesModel;
  readonly best: Expected | null;
}

/** The belief after a point came out as expected. */
function believe({ model, best }: Belief, point: Point): Belief {
  const x = encode(model.space, point);
  const expected = (gp: GaussianProcess): number =>
    createPredictor(gp)(x, false).mean;
  const { objective, constraints } = model;
  const value = expected(objective);
  const isBest = (best === null || value > best.value) &&
    constraints.every(({ gp, limit }) => expected(gp) <= limit);
  return {
    model: {
      ...model,
      objective: condition(objective, x, value),
      constraints: constraints.map(({ gp, limit }) => ({
        gp: condition(gp, x, expected(gp)),
        limit,
      })),
    },
    best: isBest ? { point, x, value } : best,
  };
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
  const predict = createPredictor(objective);
  let best: Expected | null = null;
  for (const { point } of evaluations.filter(isFeasible)) {
    const x = encode(space, point);
    const { mean } = predict(x, false);
    if (best === null || mean > best.value) best = { point, x, value: mean };
  }
  return best;
}

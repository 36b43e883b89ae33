/**
 * Results of a Bayesian optimisation: the best points, the regret over time, the
 * posterior at other points, and a bound on what is still to gain. Functions that
 * need the model fit it again.
 */

// This module is browser compatible.

import { log } from "./math/elementary.ts";
import { upperConfidenceBound } from "./acquisition.ts";
import { type BayesModel, bestExpected, fitModel } from "./bayes_model.ts";
import { type BayesState, type Evaluation, isFeasible } from "./bayes_state.ts";
import { createPredictor } from "./gp/gp.ts";
import { checkKeys } from "./keys.ts";
import { propose } from "./propose.ts";
import { createPrng } from "./math/random.ts";
import {
  createSpace,
  encode,
  type ParameterSet,
  type Point,
  type PointOf,
  type Value,
  valueAt,
} from "./space.ts";
import { unwarpValue } from "./warp.ts";

/** Posterior of the objective without noise at several points. */
export interface Posterior {
  /** Median of each point. */
  readonly median: readonly number[];
  /** Lower end of a central 95 % interval. */
  readonly lower: readonly number[];
  /** Its upper end. */
  readonly upper: readonly number[];
}

/** A posterior on the grid of one or two parameters. */
export interface PosteriorGrid<P extends ParameterSet = ParameterSet>
  extends Posterior {
  /** The values of each parameter, in the order they were named. */
  readonly values: readonly (readonly Value[])[];
  /** The points, the last parameter changing fastest. */
  readonly points: readonly PointOf<P>[];
}

/** The points of a posterior grid. */
export interface PosteriorGridOptions<P extends ParameterSet = ParameterSet> {
  /** Names of the parameters that vary, one or two as a rule. */
  readonly along: readonly (keyof P & string)[];
  /** How many values of each float there are at most. Default 50. */
  readonly steps?: number;
  /** Values of the other parameters. Default those of `bestPoint()`. */
  readonly through?: PointOf<P>;
}

/** Standard deviations on each side of a central 95 % interval. */
const INTERVAL = 1.959963984540054;

/** Probability that `regretBound()` is wrong although the model is right. */
const BOUND_RISK = 0.1;

/** Key of this random stream; `askBayes()` has others. */
const BOUND_STREAM = 3;

/**
 * The evaluation of the best value among the feasible ones, noise included.
 *
 * @param state The optimisation.
 * @returns The evaluation, or null if none is feasible.
 */
export function bestObserved<P extends ParameterSet>(
  state: BayesState<P>,
): Evaluation<P> | null {
  const sign = state.goal === "maximise" ? 1 : -1;
  return state.evaluations.filter(isFeasible).reduce<Evaluation<P> | null>(
    (best, evaluation) =>
      best === null || sign * (evaluation.value! - best.value!) > 0
        ? evaluation
        : best,
    null,
  );
}

/**
 * The point to use in the end: the evaluated feasible point whose expected value
 * without noise is best.
 *
 * @param state The optimisation.
 * @returns The point and the median of its value, or null if none is feasible.
 */
export function bestPoint<P extends ParameterSet>(
  state: BayesState<P>,
): { point: PointOf<P>; value: number } | null {
  if (!state.evaluations.some(isFeasible)) return null;
  const model = fitModel(state);
  const { point, value } = bestExpected(model)!;
  return {
    point: point as PointOf<P>,
    value: model.sign * unwarpValue(model.warp, value),
  };
}

/**
 * The best feasible value after each evaluation, as a distance from the
 * optimum: simple regret.
 *
 * @param state The optimisation.
 * @param optimum The best possible value, where it is known. Default the best
 * value so far.
 * @returns A number for each evaluation, falling; null before the first
 * feasible one.
 */
export function regretCurve(
  state: BayesState,
  optimum?: number,
): (number | null)[] {
  const reference = optimum ?? bestObserved(state)?.value ?? 0;
  let regret: number | null = null;
  return state.evaluations.map((evaluation) => {
    if (isFeasible(evaluation)) {
      const distance = state.goal === "maximise"
        ? reference - evaluation.value!
        : evaluation.value! - reference;
      regret = Math.min(regret ?? Infinity, distance);
    }
    return regret;
  });
}

/**
 * The posterior of the objective.
 *
 * @param state The optimisation.
 * @param points Where.
 * @returns Medians and intervals, in the objective's unit.
 * @throws {RangeError} If nothing was evaluated yet, or a point is not of the
 * space.
 */
export function posteriorAt<P extends ParameterSet>(
  state: BayesState<P>,
  points: readonly NoInfer<PointOf<P>>[],
): Posterior {
  const model = modelOf(state);
  const predict = createPredictor(model.objective);
  const value = (warped: number) =>
    model.sign * unwarpValue(model.warp, warped);
  const rows = points.map((point) => {
    const { mean, variance } = predict(encode(model.space, point), false);
    const half = INTERVAL * Math.sqrt(variance);
    const ends = [value(mean - half), value(mean + half)];
    return { median: value(mean), ends: ends.sort((a, b) => a - b) };
  });
  return {
    median: rows.map(({ median }) => median),
    lower: rows.map(({ ends }) => ends[0]),
    upper: rows.map(({ ends }) => ends[1]),
  };
}

/**
 * The posterior of the objective on a grid through a point: the data of a curve
 * or a map.
 *
 * @param state The optimisation.
 * @param options What the grid spans.
 * @returns The grid.
 * @throws {RangeError} If nothing was evaluated yet, a name is not that of a
 * parameter, or no point is feasible and none is given.
 */
export function posteriorGrid<P extends ParameterSet>(
  state: BayesState<P>,
  options: PosteriorGridOptions<NoInfer<P>>,
): PosteriorGrid<P> {
  checkKeys("lay a grid", "options", options, ["along", "steps", "through"]);
  const { along, steps = 50, through = bestPoint(state)?.point } = options;
  if (through === undefined) {
    throw new RangeError(
      "Cannot lay a grid as a point to lay it through must be given when no evaluation is feasible",
    );
  }
  const { axes } = createSpace(state.parameters);
  const values = along.map((name) => {
    const axis = axes.find((axis) => axis.name === name);
    if (axis === undefined) {
      throw new RangeError(
        `Cannot lay a grid as along must name parameters: current value is "${name}"`,
      );
    }
    const count = Math.min(axis.levels, steps);
    const shares = Array.from(
      { length: count },
      (_, i) => i / (count - 1 || 1),
    );
    return [...new Set(shares.map((share) => valueAt(axis.parameter, share)))];
  });
  const points = along.reduce<Point[]>(
    (points, name, i) =>
      points.flatMap((point) =>
        values[i].map((value) => ({ ...point, [name]: value }))
      ),
    [through],
  ) as PointOf<P>[];
  return { values, points, ...posteriorAt(state, points) };
}

/**
 * An upper bound on what further evaluations can gain, in the objective's unit:
 * the largest upper confidence bound of any point, less the largest lower
 * confidence bound of an evaluated one. Stop when it is small (Makarova et al.,
 * "Automatic termination for hyperparameter optimization", AutoML 2022).
 *
 * The bound holds with probability 0.9 if the model is right. After a handful of
 * evaluations it may not be, so wait until the bound was small several times. The
 * width is √β standard deviations with the β of Srinivas et al., "Gaussian process
 * optimization in the bandit setting", ICML 2010, where d replaces the number of
 * points. Constraints are ignored; they only make the gain smaller.
 *
 * @param state The optimisation.
 * @returns The bound; Infinity when no evaluation is feasible.
 */
export function regretBound(state: BayesState): number {
  const feasible = state.evaluations.filter(isFeasible);
  if (feasible.length === 0) return Infinity;
  const model = fitModel(state);
  const { space, objective, warp } = model;
  const t = state.evaluations.length;
  const d = space.dimensions;
  const beta = 2 * log(d * t * t * Math.PI * Math.PI / (6 * BOUND_RISK));
  const predict = createPredictor(objective);
  const lows = feasible.map(({ point }) => {
    const { mean, variance } = predict(encode(space, point), false);
    return mean - Math.sqrt(beta * variance);
  });
  const highest = propose(space, upperConfidenceBound(objective, beta), {
    around: [bestExpected(model)!.x],
    taken: new Set(),
    observations: objective.size,
    random: createPrng(state.seed, BOUND_STREAM, t),
  });
  const low = Math.max(...lows);
  const high = Math.max(low, highest!.value);
  return unwarpValue(warp, high) - unwarpValue(warp, low);
}

/** The model; needs at least one value. */
function modelOf(state: BayesState): BayesModel {
  if (state.evaluations.every(({ value }) => value === null)) {
    throw new RangeError(
      "Cannot model the objective as at least one value must have been told",
    );
  }
  return fitModel(state);
}

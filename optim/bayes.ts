/**
 * Bayesian optimisation: finds a good point of a space in few evaluations of an
 * expensive function, by asking each time where a Gaussian process that was
 * fitted to all evaluations so far expects the largest improvement.
 *
 * The optimisation is a plain record and three pure functions: `initBayes()`,
 * `askBayes()`, `tellBayes()`. The record goes through JSON unharmed and goes
 * on from there bit for bit. What it knows so far is in bayes_result.ts.
 */

// This module is browser compatible.

import { proposeByModel } from "./bayes_propose.ts";
import {
  type BayesState,
  type Evaluation,
  type Outcome,
  takenKeys,
} from "./bayes_state.ts";
import { untakenPoint } from "./propose.ts";
import { createPrng, type Prng } from "./random.ts";
import { createSobol } from "./sobol.ts";
import {
  countShares,
  createSpace,
  encode,
  type Parameter,
  type Point,
  pointAt,
  pointKey,
  type Space,
} from "./space.ts";

/** Squares of larger values overflow when values are subtracted. */
const LARGEST_VALUE = 1e150;

/** Tells the random numbers of `askBayes()` from those of the Sobol start. */
const ASK_STREAM = 1;
const SOBOL_STREAM = 2;

/** What to optimise. */
export interface BayesOptions {
  /** The parameters by name. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** Whether small or large values are good. */
  readonly goal: "minimise" | "maximise";
  /**
   * Names of black-box constraints: numbers that come with each value and are
   * to be at most 0. Default none.
   */
  readonly constraints?: readonly string[];
  /** Points to begin with, such as the best ones known. Default none. */
  readonly warmStart?: readonly Point[];
  /**
   * Points to evaluate before the model is asked, an integer of 1 or more: the
   * warm-start points, any others that were told, and for the rest scrambled
   * Sobol points. Default 10.
   */
  readonly startingPoints?: number;
  /** Integer from which all randomness comes. Default 0. */
  readonly seed?: number;
}

/** Where to evaluate next. */
export interface Suggestions {
  /** The optimisation, which now awaits the outcomes. */
  readonly state: BayesState;
  /** The points; fewer than wanted when all others were proposed before. */
  readonly points: readonly Point[];
  /**
   * Largest log expected improvement over the space before the first of the
   * points (plus the log probability to be feasible and not to fail, where that
   * is in question), in the unit of the transformed values (warp.ts), of which
   * the middle half spans about 1; null when no point is from the model. One may
   * stop when it is low; see `regretBound()` too.
   */
  readonly logImprovement: number | null;
}

/**
 * Starts an optimisation.
 *
 * @param options What to optimise.
 * @returns The first state.
 * @throws {TypeError} If the goal is none.
 * @throws {RangeError} If a parameter, a warm-start point or a number is not
 * one of its kind.
 */
export function initBayes(options: BayesOptions): BayesState {
  const { parameters, goal, constraints = [], warmStart = [] } = options;
  const { startingPoints = 10, seed = 0 } = options;
  if (goal !== "minimise" && goal !== "maximise") {
    throw new TypeError(
      `Cannot start an optimisation as goal must be "minimise" or "maximise": current value is ${goal}`,
    );
  }
  const space = createSpace(parameters);
  for (const point of warmStart) encode(space, point);
  if (!Number.isSafeInteger(startingPoints) || startingPoints < 1) {
    throw new RangeError(
      `Cannot start an optimisation as startingPoints must be an integer of 1 or more: current value is ${startingPoints}`,
    );
  }
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(
      `Cannot start an optimisation as seed must be an integer: current value is ${seed}`,
    );
  }
  const waiting = new Map(
    warmStart.map((point) => [pointKey(space, point), point]),
  );
  return {
    parameters,
    goal,
    constraints,
    startingPoints,
    seed,
    waiting: [...waiting.values()],
    asked: 0,
    pending: [],
    evaluations: [],
    fits: [],
  };
}

/**
 * Where to evaluate next. No point is proposed twice.
 *
 * Several points, and points asked for while others are pending, are chosen one
 * after the other, each as if those before it had come out as the model
 * expects (the Kriging believer of Ginsbourger et al., "Kriging is well-suited
 * to parallelize optimization", 2010): the uncertainty around them, and with it
 * the improvement to be expected there, is gone.
 *
 * @param state The optimisation.
 * @param count How many points are wanted, an integer of 1 or more.
 * @returns The points, and the state that awaits their outcomes.
 * @throws {RangeError} If `count` is not such an integer.
 */
export function askBayes(state: BayesState, count: number = 1): Suggestions {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot suggest points as count must be an integer of 1 or more: current value is ${count}`,
    );
  }
  const space = createSpace(state.parameters);
  const random = createPrng(state.seed, ASK_STREAM, state.asked);
  const points: Point[] = [];
  let next = state;
  const take = (point: Point): void => {
    points.push(point);
    next = {
      ...next,
      asked: next.asked + 1,
      waiting: next.waiting.filter((other) => other !== point),
      pending: [...next.pending, point],
    };
  };
  state.waiting.slice(0, count).forEach(take);
  const hasModel = state.evaluations.some(({ value }) => value !== null);
  while (points.length < count) {
    const { evaluations, pending, startingPoints } = next;
    if (hasModel && evaluations.length + pending.length >= startingPoints) {
      break;
    }
    const point = startingPoint(space, next, random);
    if (point === null) break;
    take(point);
  }
  if (points.length === count || !hasModel) {
    return { state: next, points, logImprovement: null };
  }
  const wanted = count - points.length;
  const { candidates, fits } = proposeByModel(next, wanted, random);
  candidates.forEach(({ point }) => take(point));
  const logImprovement = candidates.length > 0 ? candidates[0].value : null;
  return { state: { ...next, fits }, points, logImprovement };
}

/**
 * Takes what came out at a point. The point need not have been asked for, and
 * may be told again when it was evaluated again.
 *
 * @param state The optimisation.
 * @param point The point.
 * @param outcome The value of the objective, with the values of the constraints
 * if there are any. A value that is not a finite number says that the
 * evaluation failed: it is never fitted, but its neighbourhood is avoided.
 * @returns The next state.
 * @throws {RangeError} If the point is not of the space, a constraint has no
 * value, or a finite value is larger than 1e150.
 */
export function tellBayes(
  state: BayesState,
  point: Point,
  outcome: number | Outcome,
): BayesState {
  const { value, constraints = {} } = typeof outcome === "number"
    ? { value: outcome }
    : outcome;
  const space = createSpace(state.parameters);
  encode(space, point);
  for (const name of state.constraints) {
    if (typeof constraints[name] !== "number") {
      throw new RangeError(
        `Cannot take an outcome as constraint "${name}" must have a value: current value is ${
          constraints[name]
        }`,
      );
    }
  }
  const key = pointKey(space, point);
  const isOther = (other: Point): boolean => pointKey(space, other) !== key;
  const evaluation: Evaluation = {
    point,
    value: toJson("value", value),
    constraints: state.constraints.map((name) =>
      toJson(`constraint "${name}"`, constraints[name])
    ),
  };
  return {
    ...state,
    waiting: state.waiting.filter(isOther),
    pending: state.pending.filter(isOther),
    evaluations: [...state.evaluations, evaluation],
  };
}

/** The next Sobol point, or if that was proposed before another one; or null. */
function startingPoint(
  space: Space,
  state: BayesState,
  random: Prng,
): Point | null {
  const taken = takenKeys(space, state);
  const scramble = createPrng(state.seed, SOBOL_STREAM);
  const sobol = createSobol(countShares(space), scramble);
  const point = pointAt(space, sobol.point(state.asked));
  return taken.has(pointKey(space, point))
    ? untakenPoint(space, taken, random)
    : point;
}

/** What a number is in the state: NaN, infinities and −0 are not JSON. */
function toJson(name: string, value: number): number | null {
  if (!Number.isFinite(value)) return null;
  if (Math.abs(value) > LARGEST_VALUE) {
    throw new RangeError(
      `Cannot take an outcome as ${name} must be at most ${LARGEST_VALUE} in size: current value is ${value}`,
    );
  }
  return value + 0;
}

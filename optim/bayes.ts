/**
 * Bayesian optimisation: finds a good point of an expensive function in few
 * evaluations. After each evaluation it fits a Gaussian process to all values and
 * evaluates next where the process expects the largest improvement.
 *
 * The optimisation is a plain record (bayes_state.ts) and pure functions:
 * `initBayes()`, `askBayes()`, `tellBayes()`, `withdrawBayes()`. The record
 * survives JSON: an optimisation that is saved and loaded takes the same course
 * to the last bit. bayes_result.ts reads results from the record.
 */

// This module is browser compatible.

import { logConstrainedExpectedImprovement } from "./acquisition.ts";
import {
  type BayesModel,
  type Expected,
  fitModel,
  rankExpected,
} from "./bayes_model.ts";
import {
  type BayesState,
  type Evaluation,
  type Fit,
  type Outcome,
  takenKeys,
} from "./bayes_state.ts";
import { condition, createPredictor, type GaussianProcess } from "./gp/gp.ts";
import { checkKeys } from "./keys.ts";
import { type Candidate, propose, untakenPoint } from "./propose.ts";
import { createPrng, type Prng } from "./math/random.ts";
import { createSobol } from "./math/sobol.ts";
import {
  countShares,
  createSpace,
  encode,
  type ParameterSet,
  type Point,
  pointAt,
  pointKey,
  type PointOf,
  settlePoint,
  type Space,
} from "./space.ts";

/** Keys of the random streams: one for `askBayes()`, one for the Sobol start. */
const ASK_STREAM = 1;
const SOBOL_STREAM = 2;

/** Evaluated points, the best first, around which proposals are looked for. */
const CENTERS = 4;

/** The parameters to optimise, and how. */
export interface BayesOptions<P extends ParameterSet = ParameterSet> {
  /** The parameters by name. */
  readonly parameters: P;
  /** Whether small or large values are good. */
  readonly goal: "minimise" | "maximise";
  /**
   * Names of black-box constraints: numbers that come with each value and are
   * to be at most 0. Default none.
   */
  readonly constraints?: readonly string[];
  /** Points to begin with, such as the best ones known. Default none. */
  readonly warmStart?: readonly NoInfer<PointOf<P>>[];
  /**
   * Points to evaluate before the model is asked, an integer of 1 or more: the
   * warm-start points, any others that were told, and for the rest scrambled
   * Sobol points. Default 10.
   */
  readonly startingPoints?: number;
  /**
   * Whether the same point may give another value. A point may then be proposed
   * again, and a finite space never ends. Default false: no point is proposed
   * twice.
   */
  readonly noisy?: boolean;
  /** Integer from which all randomness comes. Default 0. */
  readonly seed?: number;
}

/** Where to evaluate next. */
export interface Suggestions<P extends ParameterSet = ParameterSet> {
  /** The optimisation, which now awaits the outcomes. */
  readonly state: BayesState<P>;
  /** The points; fewer than wanted when all others were proposed before. */
  readonly points: readonly PointOf<P>[];
  /**
   * Log expected improvement of the first point that the model proposed; null if
   * the model proposed none. The unit is that of the transformed values
   * (warp.ts), whose middle half spans about 1. The log probability of each
   * constraint is included, and eight times that of success where evaluations
   * failed. A low value is a reason to stop; `regretBound()` is another.
   */
  readonly logImprovement: number | null;
}

/** All keys of `BayesOptions`. */
const OPTIONS = [
  "parameters",
  "goal",
  "constraints",
  "warmStart",
  "startingPoints",
  "noisy",
  "seed",
] as const satisfies readonly (keyof BayesOptions)[];

/**
 * Starts an optimisation.
 *
 * @param options What to optimise.
 * @returns The first state.
 * @throws {TypeError} If the goal is none, or an option is misspelt.
 * @throws {RangeError} If a parameter, a warm-start point or a number is not
 * one of its kind.
 */
export function initBayes<const P extends ParameterSet>(
  options: BayesOptions<P>,
): BayesState<P> {
  checkKeys("start an optimisation", "options", options, OPTIONS);
  const { parameters, goal, constraints = [], warmStart = [] } = options;
  const { startingPoints = 10, noisy = false, seed = 0 } = options;
  if (goal !== "minimise" && goal !== "maximise") {
    throw new TypeError(
      `Cannot start an optimisation as goal must be "minimise" or "maximise": current value is ${goal}`,
    );
  }
  const space = createSpace(parameters);
  if (!Number.isSafeInteger(startingPoints) || startingPoints < 1) {
    throw new RangeError(
      `Cannot start an optimisation as startingPoints must be an integer of 1 or more: current value is ${startingPoints}`,
    );
  }
  if (typeof noisy !== "boolean") {
    throw new TypeError(
      `Cannot start an optimisation as noisy must be true or false: current value is ${noisy}`,
    );
  }
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(
      `Cannot start an optimisation as seed must be an integer: current value is ${seed}`,
    );
  }
  const waiting = new Map(
    warmStart.map((point) => {
      const settled = settlePoint(space, point);
      return [pointKey(space, settled), settled as PointOf<P>];
    }),
  );
  return {
    parameters,
    goal,
    constraints,
    startingPoints,
    noisy,
    seed,
    waiting: [...waiting.values()],
    asked: 0,
    pending: [],
    evaluations: [],
    fits: [],
  };
}

/**
 * Where to evaluate next. No point is proposed twice, unless evaluations are
 * noisy.
 *
 * Several points are chosen one after the other. Each is chosen as if the pending
 * points had the values that the model expects (the Kriging believer of
 * Ginsbourger et al., "Kriging is well-suited to parallelize optimization",
 * 2010). That removes the uncertainty around them, and with it the expected
 * improvement.
 *
 * @param state The optimisation.
 * @param count How many points are wanted, an integer of 1 or more.
 * @returns The points, and the state that awaits their outcomes.
 * @throws {RangeError} If `count` is not such an integer.
 */
export function askBayes<P extends ParameterSet>(
  state: BayesState<P>,
  count: number = 1,
): Suggestions<P> {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot suggest points as count must be an integer of 1 or more: current value is ${count}`,
    );
  }
  const space = createSpace(state.parameters);
  const random = createPrng(state.seed, ASK_STREAM, state.asked);
  const points: PointOf<P>[] = [];
  let next = state;
  const take = (point: PointOf<P>): void => {
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
    take(point as PointOf<P>);
  }
  if (points.length === count || !hasModel) {
    return { state: next, points, logImprovement: null };
  }
  const wanted = count - points.length;
  const { candidates, fits } = proposeByModel(next, wanted, random);
  candidates.forEach(({ point }) => take(point as PointOf<P>));
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
 * if there are any. A value that is not a finite number means that the evaluation
 * failed. It is not fitted, but its neighbourhood is avoided; it needs no
 * constraint values. Every finite value is accepted; one that is out of
 * proportion to the best is moved closer before the fit (bayes_model.ts).
 * @returns The next state.
 * @throws {TypeError} If a value is not a number, or a name means nothing.
 * @throws {RangeError} If the point is not of the space, or a constraint has no
 * value.
 */
export function tellBayes<P extends ParameterSet>(
  state: BayesState<P>,
  point: NoInfer<PointOf<P>>,
  outcome: number | Outcome,
): BayesState<P> {
  const { value, constraints } = settleOutcome(state.constraints, outcome);
  const space = createSpace(state.parameters);
  const settled = settlePoint(space, point) as PointOf<P>;
  return {
    ...withoutPoint(space, state, settled),
    evaluations: [...state.evaluations, { point: settled, value, constraints }],
  };
}

/**
 * Gives up a point that was asked for and will not be told, such as one whose
 * worker was lost. It may be proposed again.
 *
 * @param state The optimisation.
 * @param point A pending point, or a warm-start point that still waits.
 * @returns The state that awaits it no more.
 * @throws {RangeError} If the point is neither.
 */
export function withdrawBayes<P extends ParameterSet>(
  state: BayesState<P>,
  point: NoInfer<PointOf<P>>,
): BayesState<P> {
  const space = createSpace(state.parameters);
  const settled = settlePoint(space, point);
  const next = withoutPoint(space, state, settled);
  if (
    next.pending.length === state.pending.length &&
    next.waiting.length === state.waiting.length
  ) {
    throw new RangeError(
      `Cannot withdraw a point as it must be pending: current value is ${
        JSON.stringify(settled)
      }`,
    );
  }
  return next;
}

/**
 * The state without a point that it awaits. With noise it may await the point
 * several times; the first of them is removed.
 */
function withoutPoint<P extends ParameterSet>(
  space: Space,
  state: BayesState<P>,
  point: Point,
): BayesState<P> {
  const key = pointKey(space, point);
  const withoutFirst = (points: readonly PointOf<P>[]): PointOf<P>[] => {
    const at = points.findIndex((other) => pointKey(space, other) === key);
    return points.filter((_, i) => i !== at);
  };
  return {
    ...state,
    waiting: withoutFirst(state.waiting),
    pending: withoutFirst(state.pending),
  };
}

/** An outcome as an evaluation holds it. */
function settleOutcome(
  names: readonly string[],
  outcome: number | Outcome,
): Pick<Evaluation, "value" | "constraints"> {
  const action = "take an outcome";
  if (typeof outcome === "object" && outcome !== null) {
    checkKeys(action, "keys", outcome, ["value", "constraints"]);
    checkKeys(action, "constraints", outcome.constraints ?? {}, names);
  }
  const { value, constraints = {} } =
    typeof outcome === "object" && outcome !== null
      ? outcome
      : { value: outcome };
  const settled = settleNumber("value", value);
  return {
    value: settled,
    constraints: names.map((name) => {
      const limit = constraints[name];
      if (limit === undefined && settled === null) return null;
      return settleNumber(`constraint "${name}"`, limit);
    }),
  };
}

/** A number as the state stores it: JSON has no NaN, no infinities and no −0. */
function settleNumber(name: string, value: unknown): number | null {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot take an outcome as ${name} must be a number: current value is ${
        JSON.stringify(value)
      }`,
    );
  }
  return Number.isFinite(value) ? value + 0 : null;
}

/** The next Sobol point that was not proposed before; null if there is none. */
function startingPoint(
  space: Space,
  state: BayesState,
  random: Prng,
): Point | null {
  const taken = takenKeys(space, state);
  const scramble = createPrng(state.seed, SOBOL_STREAM);
  const sobol = createSobol(countShares(space), scramble);
  const point = pointAt(space, sobol.point(state.asked));
  if (!taken.has(pointKey(space, point))) return point;
  return untakenPoint(space, taken, random) ?? (state.noisy ? point : null);
}

/** Points to evaluate next. */
interface Proposals {
  /**
   * The points with their log (constrained) expected improvement, in the unit
   * of the transformed values.
   */
  readonly candidates: readonly Candidate[];
  /** Hyper-parameters of the models, for the state. */
  readonly fits: readonly (Fit | null)[];
}

/**
 * The points where most improvement is expected, one after the other.
 *
 * @param state The optimisation, with at least one value.
 * @param count How many.
 * @param random Makes the points to try.
 * @returns The points; fewer when all others are taken.
 */
function proposeByModel(
  state: BayesState,
  count: number,
  random: Prng,
): Proposals {
  const model = fitModel(state);
  const { space } = model;
  const ranked = rankExpected(model);
  let belief: Belief = { model, best: ranked.at(0) ?? null };
  for (const point of state.pending) belief = believe(belief, point);
  const taken = state.noisy ? new Set<string>() : takenKeys(space, state);
  const awaited = state.pending.map((point) => encode(space, point));
  const candidates: Candidate[] = [];
  while (candidates.length < count) {
    const { best, model: { objective, constraints } } = belief;
    const acquisition = logConstrainedExpectedImprovement(
      objective,
      best?.value ?? null,
      constraints,
    );
    const { lengthScales } = objective.hyperParameters;
    const proposal = propose(
      space,
      (x, gradient) =>
        awaited.some((other) => isTooClose(x, other, lengthScales))
          ? -Infinity
          : acquisition(x, gradient),
      {
        around: [
          ...(best === null || best === ranked.at(0) ? [] : [best.x]),
          ...ranked.slice(0, CENTERS).map(({ x }) => x),
        ],
        taken,
        observations: objective.size,
        random,
      },
    );
    if (proposal === null) break;
    candidates.push(proposal);
    awaited.push(proposal.x);
    if (!state.noisy) taken.add(pointKey(space, proposal.point));
    belief = believe(belief, proposal.point);
  }
  return { candidates, fits: model.fits };
}

/** Points that await their values are this far apart, in the unit cube … */
const APART = 0.01;

/**
 * … or in length scales. The values of two points that are closer correlate by
 * more than 0.99 before any observation: the second would tell nothing new.
 */
const APART_IN_LENGTH_SCALES = 0.1;

function isTooClose(
  a: Float64Array,
  b: Float64Array,
  lengthScales: Float64Array,
): boolean {
  let square = 0;
  let scaledSquare = 0;
  for (let k = 0; k < a.length; k++) {
    const difference = a[k] - b[k];
    const scaled = difference / lengthScales[k];
    square += difference * difference;
    scaledSquare += scaled * scaled;
  }
  return square < APART ** 2 && scaledSquare < APART_IN_LENGTH_SCALES ** 2;
}

/** A model, and the best point if all values are as the model expects. */
interface Belief {
  readonly model: BayesModel;
  readonly best: Expected | null;
}

/** The belief after the value at a point was as expected. */
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

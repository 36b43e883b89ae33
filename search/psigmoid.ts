/**
 * P-Sigmoid searches for the best performance within a budget (docs/method.md,
 * "P-Sigmoid"). The budget determines b, and Bayesian optimisation (`optim/`)
 * chooses k and a.
 *
 * The search is a plain record and four pure functions, `initPSigmoid()`,
 * `askPSigmoid()`, `tellPSigmoid()` and `bestPSigmoid()`. They run no model.
 * JSON preserves the record. `pSigmoid()` drives the functions with an
 * `Evaluate` function and resumes an interrupted search.
 */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";
import { askBayes, initBayes, tellBayes } from "../optim/bayes.ts";
import { bestPoint } from "../optim/bayes_result.ts";
import type { BayesState } from "../optim/bayes_state.ts";
import type { Point } from "../optim/space.ts";
import { type Budget, costOf, solveBudget } from "./budget.ts";
import {
  checkFields,
  checkRecorded,
  createCaller,
  type TrialOptions,
} from "./calls.ts";
import { checkIntegers } from "./checks.ts";
import type { Evaluate } from "./evaluate.ts";
import { meanScore } from "./objective.ts";
import {
  constantFamily,
  type FamilyShape,
  settleShape,
} from "./schedule_families.ts";
import { type Sigmoid, type SigmoidForm, solveSigmoid } from "./sigmoid.ts";

/** Range of k. A generous budget raises its lower end. */
const K_RANGE = { low: .2, high: 1 };
/**
 * Range of a for the paper's 32 layers. The fall of the rate over the whole
 * depth is what matters, so other depths stretch the range.
 */
const A_RANGE = { low: .05, high: 2, layers: 32 };

/**
 * Number of scrambled Sobol points before the model is asked. Warm starts come
 * on top.
 */
const SOBOL_POINTS = 5;

/**
 * Number of successive suggestions that round to known schedules, after which
 * the search ends. By then rounding hides the differences that the model still
 * wants to explore.
 */
const MOST_REPEATS = 40;

/** Search space of P-Sigmoid, and the limits of the search. */
export interface PSigmoidSpace extends FamilyShape {
  /** Limit on the cost of a schedule. */
  readonly budget: Budget;
  /**
   * Largest first layer that may be reduced, below L. If it exceeds
   * `firstLayer`, the first layer is searched too, from `firstLayer` to this
   * one (our decision: the first layer matters more in a model of few layers).
   * First layers that the budget does not allow are left out. Default
   * `firstLayer`.
   */
  readonly lastFirstLayer?: number;
  /**
   * Sigmoids to begin with, such as the fit of `fitSigmoid()` to G-Search's
   * schedule. They are moved into the searched ranges. Default none.
   */
  readonly warmStart?: readonly WarmStart[];
  /** Largest number of schedules to evaluate, an integer ≥ 1. Default 30. */
  readonly evaluations?: number;
  /** Seed of all random numbers, an integer. Default 0. */
  readonly seed?: number;
}

/** A sigmoid to begin with. */
export interface WarmStart extends SigmoidForm {
  /** First layer that it may reduce. Default: the least searched one. */
  readonly firstLayer?: number;
}

/** A sigmoid within the budget. */
export interface PSigmoidProposal extends Sigmoid {
  /** First layer that it may reduce. */
  readonly firstLayer: number;
  /** Keep counts of the sigmoid. */
  readonly schedule: Schedule;
}

/** A schedule that was evaluated. */
export interface KnownSchedule {
  /** Keep counts, shape [L]. */
  readonly keep: readonly number[];
  /** Objective of the schedule. */
  readonly value: number;
}

/** State of a search; JSON-serialisable, never changed in place. */
export interface PSigmoidState extends Required<FamilyShape> {
  /** Limit on the cost of a schedule. */
  readonly budget: Budget;
  /** Largest number of schedules to evaluate. */
  readonly evaluations: number;
  /** State of the optimisation of k, a and the first layer. */
  readonly bayes: BayesState;
  /** Evaluated schedules, each once. */
  readonly known: readonly KnownSchedule[];
  /** Next sigmoid to evaluate; null when the search is done. */
  readonly proposal: PSigmoidProposal | null;
}

/** The result of a search. */
export interface PSigmoidBest extends PSigmoidProposal {
  /** Objective that the Gaussian process expects, without noise. */
  readonly value: number;
}

/**
 * Starts a search.
 *
 * k is searched in (.2, 1], and a in [.05, 2] · 32 / L on a logarithmic scale
 * (our decision). A k below the constant rate that spends the budget would
 * leave part of the budget unspent. Therefore, if that rate is above .2, the
 * range of k begins there. At this end the sigmoid is the constant rate.
 *
 * @param space Search space and limits.
 * @returns The initial state.
 * @throws {RangeError} If a number is out of range, or no schedule meets the
 * budget.
 */
export function initPSigmoid(space: PSigmoidSpace): PSigmoidState {
  const { budget, warmStart = [], evaluations = 30, seed = 0 } = space;
  const shape = settleShape(space);
  const { firstLayer: low, layers } = shape;
  const { lastFirstLayer = low } = space;
  checkIntegers("start a search", {
    evaluations: { value: evaluations, least: 1, most: Infinity },
    lastFirstLayer: { value: lastFirstLayer, least: 0, most: layers - 1 },
  });
  // The least constant rate that spends the budget, for each first layer.
  const constants = [solveBudget(constantFamily(shape), budget).t];
  for (let firstLayer = low + 1; firstLayer <= lastFirstLayer; firstLayer++) {
    const family = constantFamily({ ...shape, firstLayer });
    if (costOf(family.at(family.low), budget) > budget.limit) break;
    constants.push(solveBudget(family, budget).t);
  }
  const firstLayers = { low, high: low + constants.length - 1 };
  const k = { ...K_RANGE, low: Math.max(K_RANGE.low, Math.min(...constants)) };
  const a = {
    low: A_RANGE.low * A_RANGE.layers / layers,
    high: A_RANGE.high * A_RANGE.layers / layers,
  };
  const points = warmStart.map((form) => ({
    k: clamp(form.k, k),
    a: clamp(form.a, a),
    firstLayer: clamp(form.firstLayer ?? low, firstLayers),
  }));
  const bayes = initBayes({
    parameters: {
      k: { kind: "float", ...k },
      a: { kind: "logFloat", ...a },
      firstLayer: { kind: "integer", ...firstLayers },
    },
    goal: "maximise",
    warmStart: points,
    startingPoints: SOBOL_POINTS + points.length,
    seed,
  });
  return propose({
    ...shape,
    budget,
    evaluations,
    bayes,
    known: [],
    proposal: null,
  });
}

/**
 * The next sigmoid to evaluate. Its schedule was never evaluated before.
 *
 * @param state The search.
 * @returns The proposal, or null when the search is done.
 */
export function askPSigmoid(state: PSigmoidState): PSigmoidProposal | null {
  return state.proposal;
}

/**
 * Takes the objective of the proposal of `askPSigmoid()`.
 *
 * @param state The search.
 * @param value The objective; larger is better.
 * @returns The next state.
 * @throws {RangeError} If the search is done, or the value is not finite.
 */
export function tellPSigmoid(
  state: PSigmoidState,
  value: number,
): PSigmoidState {
  const { proposal, bayes, known } = state;
  if (proposal === null) {
    throw new RangeError("Cannot take a value as the search is done");
  }
  if (!Number.isFinite(value)) {
    throw new RangeError(
      `Cannot take a value as it must be finite: current value is ${value}`,
    );
  }
  const { k, a, firstLayer, schedule: { keep } } = proposal;
  return propose({
    ...state,
    bayes: tellBayes(bayes, { k, a, firstLayer }, value),
    known: [...known, { keep, value }],
  });
}

/**
 * The best schedule so far: the evaluated one for which the Gaussian process
 * expects the highest objective. Luck with the calibration samples makes a
 * schedule look better than it is. The Gaussian process discounts gains that a
 * schedule's neighbours do not share.
 *
 * @param state The search.
 * @returns The sigmoid, its schedule and its value; null before any evaluation.
 */
export function bestPSigmoid(state: PSigmoidState): PSigmoidBest | null {
  const best = bestPoint(state.bayes);
  return best && { ...solve(state, best.point), value: best.value };
}

/**
 * Asks the optimiser for the next schedule to evaluate. If a point rounds to a
 * known schedule, the optimiser is told the known value instead.
 */
function propose(state: PSigmoidState): PSigmoidState {
  let { bayes } = state;
  if (state.known.length === state.evaluations) {
    return { ...state, proposal: null };
  }
  for (let repeats = 0; repeats < MOST_REPEATS; repeats++) {
    const { state: asked, points: [point] } = askBayes(bayes);
    const proposal = solve(state, point);
    const known = state.known.find(({ keep }) =>
      keep.every((count, layer) => count === proposal.schedule.keep[layer])
    );
    if (known === undefined) return { ...state, bayes: asked, proposal };
    bayes = tellBayes(asked, point, known.value);
  }
  return { ...state, bayes, proposal: null };
}

/** The sigmoid within the budget at a point of the optimiser's space. */
function solve(state: PSigmoidState, point: Point): PSigmoidProposal {
  const { k, a, firstLayer } = point as Record<string, number>;
  const shape = { ...state, firstLayer };
  const { sigmoid, schedule } = solveSigmoid({ k, a }, shape);
  return { ...sigmoid, firstLayer, schedule };
}

function clamp(
  value: number,
  { low, high }: { readonly low: number; readonly high: number },
): number {
  return Math.max(low, Math.min(high, value));
}

/** A sigmoid that was evaluated; JSON-serialisable. */
export interface PSigmoidTrial extends Sigmoid {
  /** First layer that it may reduce. */
  readonly firstLayer: number;
  /** Keep counts of all layers, shape [L]. */
  readonly schedule: readonly number[];
  /** The objective over all samples; larger is better. */
  readonly value: number;
  /** Upper bound on the trials still to come after this one. */
  readonly remaining: number;
  /** Duration, if a clock was given. */
  readonly seconds?: number;
}

/** Options of {@linkcode pSigmoid}. */
export interface PSigmoidOptions
  extends PSigmoidSpace, TrialOptions<PSigmoidTrial> {
  /**
   * State after the recorded trials, as passed to `onState`. With it the
   * optimiser need not fit its model to each trial again. A state that does not
   * match the trials is ignored.
   */
  readonly state?: PSigmoidState;
  /** Called with the state after a trial, before that trial is yielded. */
  readonly onState?: (state: PSigmoidState) => void;
}

/** Result of {@linkcode pSigmoid}. */
export interface PSigmoidResult extends PSigmoidBest {
  /** All trials in order, the recorded ones included. */
  readonly trials: readonly PSigmoidTrial[];
}

/**
 * Searches for the best sigmoid schedule within a budget. Every evaluation is
 * complete, because the objective needs all samples.
 *
 * @param evaluate Runs the model on the calibration samples. Nothing else may
 * call it during the search, because {@linkcode EvaluateOptions.fixedLayers}
 * refers to the search's own previous call.
 * @param options Budget, depth, objective and the rest.
 * @returns A generator that yields each newly evaluated trial (not the recorded
 * ones) and returns the result. The result is the same for the same seed.
 * @throws {RangeError} If an option is out of range, no schedule meets the
 * budget, a recorded trial differs from what the search asks for, or an
 * evaluation is incomplete (see {@linkcode meanScore}).
 * @throws The signal's reason, when aborted.
 */
export async function* pSigmoid(
  evaluate: Evaluate,
  options: PSigmoidOptions,
): AsyncGenerator<PSigmoidTrial, PSigmoidResult, void> {
  const { objective = "probability", recorded = [], now, signal, onState } =
    options;
  const call = createCaller(evaluate, signal);
  const { state: given } = options;
  let state = given && isAfter(given, recorded)
    ? given
    : resumePSigmoid(options, recorded);
  const trials = [...recorded];
  for (
    let proposal = askPSigmoid(state);
    proposal !== null;
    proposal = askPSigmoid(state)
  ) {
    const start = now?.();
    const { schedule, ...sigmoid } = proposal;
    const value = meanScore(objective, await call(schedule));
    state = tellPSigmoid(state, value);
    const trial: PSigmoidTrial = {
      ...sigmoid,
      schedule: schedule.keep,
      value,
      remaining: remainingAfter(state),
      ...(now && start !== undefined && { seconds: (now() - start) / 1000 }),
    };
    trials.push(trial);
    onState?.(state);
    yield trial;
  }
  return { ...bestPSigmoid(state)!, trials };
}

/**
 * Replays recorded trials and returns the state after them. Each trial is
 * checked against what the search asks for.
 *
 * @param space Search space and limits.
 * @param recorded Trials in order, from the first one on.
 * @returns The state.
 * @throws {RangeError} If a trial differs from what the search asks for, or
 * holds an impossible value. The message names the trial's number.
 */
export function resumePSigmoid(
  space: PSigmoidSpace,
  recorded: readonly PSigmoidTrial[],
): PSigmoidState {
  let state = initPSigmoid(space);
  for (const [index, trial] of recorded.entries()) {
    const proposal = askPSigmoid(state);
    checkRecorded(index, trial.schedule, proposal?.schedule.keep ?? null);
    checkFields(index, trial, { value: "number", seconds: "duration" });
    state = tellPSigmoid(state, trial.value);
    checkFields(index, trial, { remaining: remainingAfter(state) });
  }
  return state;
}

/** Upper bound on the trials still to come. */
function remainingAfter(
  { proposal, evaluations, known }: PSigmoidState,
): number {
  return proposal === null ? 0 : evaluations - known.length;
}

/** Whether a state is the one after certain trials. */
function isAfter(
  { known }: PSigmoidState,
  trials: readonly PSigmoidTrial[],
): boolean {
  return known.length === trials.length &&
    known.every(({ keep, value }, i) =>
      value === trials[i].value && String(keep) === String(trials[i].schedule)
    );
}

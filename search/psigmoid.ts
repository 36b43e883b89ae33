/**
 * P-Sigmoid: the best performance within a budget (docs/method.md, "P-Sigmoid").
 * b follows from the budget, k and a are left to Bayesian optimisation (`optim/`).
 *
 * The search is a plain record and four pure functions, `initPSigmoid()`,
 * `askPSigmoid()`, `tellPSigmoid()` and `bestPSigmoid()`, which run no model.
 * The record goes through JSON unharmed. `pSigmoid()` drives them with an
 * `Evaluate` function, and takes up an interrupted search where it stood.
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

/** Range of k, the lower end of which a generous budget moves up. */
const K_RANGE = { low: .2, high: 1 };
/**
 * Range of a for the paper's 32 layers. How much the rate falls over the whole
 * depth is what matters, so it is stretched for models of other depths.
 */
const A_RANGE = { low: .05, high: 2, layers: 32 };

/** Scrambled Sobol points before the model is asked, besides warm starts. */
const SOBOL_POINTS = 5;

/**
 * So many suggestions in a row that round to known schedules end a search: what
 * the model would still like to know, rounding does not let it see.
 */
const MOST_REPEATS = 40;

/** What to search. */
export interface PSigmoidSpace extends FamilyShape {
  /** What a schedule may cost. */
  readonly budget: Budget;
  /**
   * Where more than `firstLayer`, the first layer that may be reduced is searched
   * too, from there up to this one, below L (our decision: the fewer layers
   * there are, the more it matters). Those that a budget does not allow are left
   * out. Default: only `firstLayer`.
   */
  readonly lastFirstLayer?: number;
  /**
   * Forms to begin with, such as that of `fitSigmoid()` on G-Search's schedule;
   * moved into the ranges that are searched. Default none.
   */
  readonly warmStart?: readonly WarmStart[];
  /** Schedules to evaluate at most, an integer ≥ 1. Default 30. */
  readonly evaluations?: number;
  /** Integer from which all randomness comes. Default 0. */
  readonly seed?: number;
}

/** A form to begin with. */
export interface WarmStart extends SigmoidForm {
  /** First layer that it may reduce. Default: the least that is searched. */
  readonly firstLayer?: number;
}

/** A sigmoid within the budget. */
export interface PSigmoidProposal extends Sigmoid {
  /** First layer that it may reduce. */
  readonly firstLayer: number;
  /** Its keep counts. */
  readonly schedule: Schedule;
}

/** A schedule that was evaluated. */
export interface KnownSchedule {
  /** Keep counts, shape [L]. */
  readonly keep: readonly number[];
  /** Its objective. */
  readonly value: number;
}

/** Where a search stands; JSON-serialisable, never changed in place. */
export interface PSigmoidState extends Required<FamilyShape> {
  /** What a schedule may cost. */
  readonly budget: Budget;
  /** Schedules to evaluate at most. */
  readonly evaluations: number;
  /** The optimisation of k and a. */
  readonly bayes: BayesState;
  /** What was evaluated, each schedule once. */
  readonly known: readonly KnownSchedule[];
  /** What to evaluate next; null when the search is done. */
  readonly proposal: PSigmoidProposal | null;
}

/** The result of a search. */
export interface PSigmoidBest extends PSigmoidProposal {
  /** Its objective as the model expects it, without noise. */
  readonly value: number;
}

/**
 * Starts a search.
 *
 * k is searched in (.2, 1] and a in [.05, 2] · 32 / L, the latter by ratios
 * (our decision). A k below the constant rate that spends the
 * budget would leave some of it, so k begins there where that is more than .2;
 * at this end the sigmoid is that constant rate.
 *
 * @param space What to search.
 * @returns The first state.
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
  // The least rate that spends the budget, for each first layer.
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
 * What to evaluate next: never a schedule that was evaluated before.
 *
 * @param state The search.
 * @returns The proposal, or null when the search is done.
 */
export function askPSigmoid(state: PSigmoidState): PSigmoidProposal | null {
  return state.proposal;
}

/**
 * Takes the objective of what `askPSigmoid()` proposes.
 *
 * @param state The search.
 * @param value The objective, large being good.
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
 * The best schedule so far: of those evaluated, the one of which the Gaussian
 * process expects most. Luck with the calibration samples makes a schedule look
 * better than it is, and the model discounts what its neighbours do not share.
 *
 * @param state The search.
 * @returns The sigmoid, its schedule and its value; null before any evaluation.
 */
export function bestPSigmoid(state: PSigmoidState): PSigmoidBest | null {
  const best = bestPoint(state.bayes);
  return best && { ...solve(state, best.point), value: best.value };
}

/**
 * Asks the optimiser for the next schedule to evaluate. Points that round to a
 * known schedule are told its value and asked no more.
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

/** The sigmoid at a point of the optimiser's space, within the budget. */
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

/** One sigmoid evaluated; JSON-serialisable. */
export interface PSigmoidTrial extends Sigmoid {
  /** First layer that it may reduce. */
  readonly firstLayer: number;
  /** Keep counts of all layers, shape [L]. */
  readonly schedule: readonly number[];
  /** The objective over all samples, large being good. */
  readonly value: number;
  /** Upper bound on the trials still to come after this one. */
  readonly remaining: number;
  /** Duration, where a clock was given. */
  readonly seconds?: number;
}

/** Options of {@linkcode pSigmoid}. */
export interface PSigmoidOptions
  extends PSigmoidSpace, TrialOptions<PSigmoidTrial> {
  /**
   * The search after the recorded trials, as `onState` gave it. It spares fitting
   * the optimiser's model to each of them again. A state of other trials is not
   * used.
   */
  readonly state?: PSigmoidState;
  /** Called with the search after a trial, before that trial is yielded. */
  readonly onState?: (state: PSigmoidState) => void;
}

/** What {@linkcode pSigmoid} returns. */
export interface PSigmoidResult extends PSigmoidBest {
  /** All trials in order, the recorded ones included. */
  readonly trials: readonly PSigmoidTrial[];
}

/**
 * Searches the best sigmoid schedule within a budget. Every evaluation is
 * complete: a mean needs all samples.
 *
 * @param evaluate Runs the model on the calibration samples. The search relies
 * on its promise of {@linkcode EvaluateOptions.fixedLayers}, so nothing else may
 * call it meanwhile.
 * @param options Budget, depth, objective and the rest.
 * @returns A generator that yields each newly evaluated trial (so not the
 * recorded ones) and returns the result, which is the same for the same seed.
 * @throws {RangeError} If an option is out of range, no schedule meets the
 * budget, a recorded trial is not what the search asks for, or an evaluation is
 * incomplete (see {@linkcode meanScore}).
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
 * Where a search stands after trials that were recorded, each of which is checked
 * against what the search asks for.
 *
 * @param space What is searched.
 * @param recorded Trials from the first one on, in order.
 * @returns The state.
 * @throws {RangeError} If a trial is not what the search asks for, or has a value
 *   that no trial has; the message has its number.
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

/** Whether a state is that after certain trials. */
function isAfter(
  { known }: PSigmoidState,
  trials: readonly PSigmoidTrial[],
): boolean {
  return known.length === trials.length &&
    known.every(({ keep, value }, i) =>
      value === trials[i].value && String(keep) === String(trials[i].schedule)
    );
}

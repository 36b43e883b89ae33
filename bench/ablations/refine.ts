/**
 * Free refinement of a schedule within its budget: moves tokens from one layer
 * to another, many at first and then ever fewer, and keeps what helps. It shows
 * what the shape of a sigmoid gives away (our decision; not in the paper).
 *
 * The search is a plain record and three pure functions, `initRefine()`,
 * `askRefine()` and `tellRefine()`, which run no model. `refine()` drives them
 * with an `Evaluate` function: it judges each move against the best schedule so
 * far, on the same samples, and takes up an interrupted refinement where it
 * stood.
 */

import { fromKeepCounts, type Schedule } from "../../core/schedule.ts";
import { createPrng } from "../../optim/math/random.ts";
import { type Budget, costOf } from "../../search/budget.ts";
import {
  checkRecorded,
  createCaller,
  type TrialOptions,
} from "../../search/calls.ts";
import { checkIntegers } from "../../search/checks.ts";
import type { Evaluate } from "../../search/evaluate.ts";
import { pairedDifference } from "../../search/objective.ts";
import { settleShape } from "../../search/schedule_families.ts";

/** The schedule to refine, and its budget. */
export interface RefineSpace {
  /** The schedule to begin with, such as P-Sigmoid's. */
  readonly start: Schedule;
  /** The cost that a schedule may have; the start meets it. */
  readonly budget: Budget;
  /**
   * First layer that may be reduced, 0-based, in [1, L − 1]; the layers before
   * keep what they keep. Default 3, as the paper's FLOPs imply.
   */
  readonly firstLayer?: number;
  /** Schedules to evaluate at most besides the start, ≥ 0. Default 60. */
  readonly evaluations?: number;
  /** Integer from which the order of moves comes. Default 0. */
  readonly seed?: number;
}

/** Tokens moved between two layers. */
export interface Move {
  /** The layer that gives. */
  readonly from: number;
  /** The layer that takes. */
  readonly to: number;
  /** The schedule after the move. */
  readonly schedule: Schedule;
}

/** Where a refinement stands; JSON-serialisable, never changed in place. */
export interface RefineState {
  /** The cost that a schedule may have. */
  readonly budget: Budget;
  /** First layer that may be reduced. */
  readonly firstLayer: number;
  /** Schedules to evaluate at most besides the start. */
  readonly evaluations: number;
  /** Where the order of moves comes from. */
  readonly seed: number;
  /** The best schedule so far. */
  readonly best: Schedule;
  /** Tokens that a move takes from a layer; 0 when none is left to try. */
  readonly step: number;
  /** Best schedules and steps so far: each has an order of moves of its own. */
  readonly round: number;
  /** Place of the next move in that order. */
  readonly place: number;
  /** Moves in this round that did not help. */
  readonly failures: number;
  /** Keep counts of all schedules evaluated, the start first. */
  readonly tried: readonly (readonly number[])[];
  /** The next move to evaluate; null when the refinement is done. */
  readonly proposal: Move | null;
}

/**
 * Starts a refinement, with moves of an eighth of the vision tokens.
 *
 * @param space What to refine.
 * @returns The first state.
 * @throws {RangeError} If a number is out of range or the start costs more than
 * the budget.
 */
export function initRefine(space: RefineSpace): RefineState {
  const { start, budget, evaluations = 60, seed = 0 } = space;
  const { visionTokens, keep } = start;
  const { firstLayer } = settleShape({
    layers: keep.length,
    visionTokens,
    firstLayer: space.firstLayer ?? 3,
  });
  checkIntegers("start a refinement", {
    evaluations: { value: evaluations, least: 0, most: Infinity },
    seed: { value: seed, least: -Infinity, most: Infinity },
  });
  const cost = costOf(start, budget);
  if (!(cost <= budget.limit)) {
    throw new RangeError(
      `Cannot start a refinement as the schedule must meet the budget of ${budget.limit}: current cost is ${cost}`,
    );
  }
  return propose({
    budget,
    firstLayer,
    evaluations,
    seed,
    best: start,
    step: Math.max(1, Math.floor(visionTokens / 8)),
    round: 0,
    place: 0,
    failures: 0,
    tried: [keep],
    proposal: null,
  });
}

/**
 * The next move to evaluate; its schedule was never evaluated before.
 *
 * @param state The refinement.
 * @returns The move, or null when the refinement is done.
 */
export function askRefine(state: RefineState): Move | null {
  return state.proposal;
}

/**
 * Takes the verdict on what `askRefine()` proposes.
 *
 * @param state The refinement.
 * @param better Whether it is better than `state.best`.
 * @returns The next state.
 * @throws {RangeError} If the refinement is done.
 */
export function tellRefine(state: RefineState, better: boolean): RefineState {
  const { proposal, round, failures, tried } = state;
  if (proposal === null) {
    throw new RangeError("Cannot take a verdict as the refinement is done");
  }
  const { schedule } = proposal;
  return propose({
    ...state,
    ...(better
      ? { best: schedule, round: round + 1, place: 0, failures: 0 }
      : { failures: failures + 1 }),
    tried: [...tried, schedule.keep],
  });
}

/**
 * Looks for the next move. A step is halved when no move of its size is left, or
 * twice as many as there are layers have failed in a row: all pairs of layers
 * would cost more evaluations than the rest of the search.
 */
function propose(state: RefineState): RefineState {
  if (state.tried.length > state.evaluations) {
    return { ...state, proposal: null };
  }
  const tried = new Set(state.tried.map(String));
  const patience = 2 * (state.best.keep.length - state.firstLayer);
  let { step, round, place, failures } = state;
  while (step > 0) {
    const pairs = pairsInOrder(state, round);
    while (failures < patience && place < pairs.length) {
      const move = movedBy(state, pairs[place++], step);
      if (move !== null && !tried.has(String(move.schedule.keep))) {
        return { ...state, step, round, place, failures, proposal: move };
      }
    }
    step = Math.floor(step / 2);
    round++;
    place = 0;
    failures = 0;
  }
  return { ...state, step, round, place, failures, proposal: null };
}

/** All ordered pairs of layers that may be reduced, in a round's random order. */
function pairsInOrder(
  { best, firstLayer, seed }: RefineState,
  round: number,
): [from: number, to: number][] {
  const pairs: [number, number][] = [];
  for (let from = firstLayer; from < best.keep.length; from++) {
    for (let to = firstLayer; to < best.keep.length; to++) {
      if (from !== to) pairs.push([from, to]);
    }
  }
  // Fisher–Yates.
  const random = createPrng(seed, round);
  for (let i = pairs.length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random());
    [pairs[i], pairs[j]] = [pairs[j], pairs[i]];
  }
  return pairs;
}

/**
 * Takes `step` tokens from one layer and gives as many to the other, or as the
 * budget lets it have: FLOPs grow faster where there are more tokens. Null where
 * that is none, or keep counts would rise from a layer to the next.
 */
function movedBy(
  { best, budget }: RefineState,
  [from, to]: readonly [from: number, to: number],
  step: number,
): Move | null {
  for (let given = step; given > 0; given--) {
    const keep = [...best.keep];
    keep[from] -= step;
    keep[to] += given;
    const isSchedule = keep.every((count, layer) =>
      count >= 0 && (layer === 0 || count <= keep[layer - 1])
    );
    if (!isSchedule) return null;
    const schedule = fromKeepCounts(keep, best.visionTokens);
    if (costOf(schedule, budget) <= budget.limit) return { from, to, schedule };
  }
  return null;
}

/** One move evaluated and judged; JSON-serialisable. */
export interface RefineTrial {
  /** The layer that gave tokens. */
  readonly from: number;
  /** The layer that took them. */
  readonly to: number;
  /** Keep counts of all layers after the move, shape [L]. */
  readonly schedule: readonly number[];
  /** Whether the move was kept. */
  readonly better: boolean;
  /** Mean gain over the best schedule so far, in the unit of the objective. */
  readonly gain: number;
  /** Standard error of the gain. */
  readonly standardError: number;
  /** Upper bound on the trials still to come after this one. */
  readonly remaining: number;
  /** Duration, where a clock was given. */
  readonly seconds?: number;
}

/** Options of {@linkcode refine}. */
export interface RefineOptions extends RefineSpace, TrialOptions<RefineTrial> {}

/** The result of {@linkcode refine}. */
export interface RefineResult {
  /** The best schedule. */
  readonly schedule: Schedule;
  /** All trials in order, the recorded ones included. */
  readonly trials: readonly RefineTrial[];
}

/**
 * Refines a schedule within its budget. Evaluates the best schedule so far once
 * to begin with, and each move once.
 *
 * A move is kept when it gains more than the standard error of its paired
 * difference (our decision). Of moves that change nothing that keeps one in six,
 * which is no loss; two standard errors would keep one in forty, but miss most
 * of the small gains a refinement consists of.
 *
 * @param evaluate Runs the model on the calibration samples. The search relies
 * on its promise of {@linkcode EvaluateOptions.fixedLayers}, so nothing else may
 * call it meanwhile.
 * @param options The start, budget, objective and the rest.
 * @returns A generator that yields each newly evaluated trial (so not the
 * recorded ones) and returns the result, which is the same for the same seed.
 * @throws {RangeError} If an option is out of range, the start costs more than
 * the budget, a recorded trial is not what the search asks for, or evaluations
 * are incomplete or do not pair up (see {@linkcode pairedDifference}).
 * @throws The signal's reason, when aborted.
 */
export async function* refine(
  evaluate: Evaluate,
  options: RefineOptions,
): AsyncGenerator<RefineTrial, RefineResult, void> {
  const { objective = "probability", recorded = [], now, signal } = options;
  const call = createCaller(evaluate, signal);
  let state = replay(initRefine(options), recorded);
  const trials = [...recorded];
  let best = await call(state.best);
  for (let move = askRefine(state); move !== null; move = askRefine(state)) {
    const start = now?.();
    const { from, to, schedule } = move;
    const evaluation = await call(schedule);
    const { mean: gain, standardError } = pairedDifference(
      objective,
      best,
      evaluation,
    );
    const better = gain > standardError;
    if (better) best = evaluation;
    state = tellRefine(state, better);
    const trial: RefineTrial = {
      from,
      to,
      schedule: schedule.keep,
      better,
      gain,
      standardError,
      remaining: state.proposal === null
        ? 0
        : state.evaluations - (state.tried.length - 1),
      ...(now && start !== undefined && { seconds: (now() - start) / 1000 }),
    };
    trials.push(trial);
    yield trial;
  }
  return { schedule: state.best, trials };
}

/** The state after the recorded trials, each checked against the search. */
function replay(
  state: RefineState,
  recorded: readonly RefineTrial[],
): RefineState {
  for (const [index, { schedule, better }] of recorded.entries()) {
    const move = askRefine(state);
    checkRecorded(index, schedule, move?.schedule.keep ?? null);
    state = tellRefine(state, better);
  }
  return state;
}

/**
 * Runs the free refinement of a schedule (refine.ts) on an `Evaluate` function:
 * judges each move against the best schedule so far, on the same samples, and
 * takes up an interrupted refinement where it stood.
 */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";
import { createCaller } from "./calls.ts";
import type { Evaluate } from "./evaluate.ts";
import { pairedDifference } from "./objective.ts";
import {
  askRefine,
  initRefine,
  type RefineSpace,
  type RefineState,
  tellRefine,
} from "./refine.ts";
import { checkRecorded, type TrialOptions } from "./trials.ts";

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

/** What {@linkcode refine} returns. */
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

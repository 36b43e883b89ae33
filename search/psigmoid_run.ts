/**
 * Runs P-Sigmoid (psigmoid.ts) on an `Evaluate` function, and takes up an
 * interrupted search where it stood.
 */

// This module is browser compatible.

import { createCaller } from "./calls.ts";
import type { Evaluate } from "./evaluate.ts";
import { meanScore } from "./objective.ts";
import {
  askPSigmoid,
  bestPSigmoid,
  initPSigmoid,
  type PSigmoidBest,
  type PSigmoidSpace,
  type PSigmoidState,
  tellPSigmoid,
} from "./psigmoid.ts";
import type { Sigmoid } from "./sigmoid.ts";
import { checkRecorded, type TrialOptions } from "./trials.ts";

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
  extends PSigmoidSpace, TrialOptions<PSigmoidTrial> {}

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
  const { objective = "probability", recorded = [], now, signal } = options;
  const call = createCaller(evaluate, signal);
  let state = replay(initPSigmoid(options), recorded);
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
      remaining: state.proposal === null
        ? 0
        : state.evaluations - state.known.length,
      ...(now && start !== undefined && { seconds: (now() - start) / 1000 }),
    };
    trials.push(trial);
    yield trial;
  }
  return { ...bestPSigmoid(state)!, trials };
}

/** The state after the recorded trials, each checked against the search. */
function replay(
  state: PSigmoidState,
  recorded: readonly PSigmoidTrial[],
): PSigmoidState {
  for (const [index, { schedule, value }] of recorded.entries()) {
    const proposal = askPSigmoid(state);
    checkRecorded(index, schedule, proposal?.schedule.keep ?? null);
    state = tellPSigmoid(state, value);
  }
  return state;
}

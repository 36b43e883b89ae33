/**
 * Runs G-Search (gsearch.ts) on an `Evaluate` function: judges each trial
 * against the full model on the same samples, stops a trial as soon as its
 * outcome is certain, and takes up an interrupted search where it stood.
 */

// This module is browser compatible.

import { fullSchedule, type Schedule } from "../core/schedule.ts";
import { createCaller } from "./calls.ts";
import {
  checkEpsilon,
  type Criterion,
  judge,
  meanDrop,
  type Verdict,
} from "./criterion.ts";
import type { Evaluate, Evaluation } from "./evaluate.ts";
import {
  askGSearch,
  bestSchedule,
  type GSearchSpace,
  type GSearchState,
  initGSearch,
  type Proposal,
  remainingTrials,
  tellGSearch,
} from "./gsearch.ts";

/** One schedule run and judged; JSON-serialisable. */
export interface Trial {
  /** The layer under search, 0-based. */
  readonly layer: number;
  /** Its keep count, which deeper layers inherit. */
  readonly keep: number;
  /** Keep counts of all layers, shape [L]. */
  readonly schedule: readonly number[];
  /** Whether it was as good as the full model. */
  readonly verdict: Verdict;
  /** Samples seen until the verdict was certain. */
  readonly samplesUsed: number;
  /**
   * How much worse than the full model, as a mean over those samples: points
   * for the criteria accuracy and bound, nats for loss. Biased where the trial
   * was stopped early.
   */
  readonly meanDrop: number;
  /** Upper bound on the trials still to come after this one. */
  readonly remaining: number;
  /** Duration, where a clock was given. */
  readonly seconds?: number;
}

/** Options of {@linkcode gSearch}. */
export interface GSearchOptions extends GSearchSpace {
  /** When a trial is as good as the full model. */
  readonly criterion: Criterion;
  /**
   * Trials of an interrupted run, from its first on, in order. Their verdicts
   * are taken instead of being evaluated again, which is only right for the
   * same model, samples and criterion.
   */
  readonly recorded?: readonly Trial[];
  /** The full model on the same samples, where it is known already. */
  readonly full?: Evaluation;
  /** A clock in milliseconds, such as `() => performance.now()`. */
  readonly now?: () => number;
  /** Ends the search between trials, and within one if `evaluate` obeys it. */
  readonly signal?: AbortSignal;
}

/** What {@linkcode gSearch} returns. */
export interface GSearchResult {
  /** The least schedule that was as good as the full model. */
  readonly schedule: Schedule;
  /** The full model on the same samples. */
  readonly full: Evaluation;
  /** All trials in order, the recorded ones included. */
  readonly trials: readonly Trial[];
}

/**
 * Searches the least schedule that is as good as the full model (paper
 * section 3).
 *
 * Evaluates the full schedule once if need be, then one schedule per trial. With the
 * criterion's noise feasibility may not be monotone; the result is then not
 * optimal, but its own trial did pass.
 *
 * @param evaluate Runs the model on the calibration set.
 * @param options Space, criterion and the rest.
 * @returns A generator that yields each newly evaluated trial (so not the
 * recorded ones) and returns the result.
 * @throws {RangeError} If the space is out of range, the samples are too few
 * for ε (see {@linkcode checkEpsilon}), a recorded trial is not
 * what the search asks for, `evaluate` stops although the outcome is open, or
 * its evaluations do not pair up (see {@linkcode judge}).
 * @throws The signal's reason, when aborted.
 */
export async function* gSearch(
  evaluate: Evaluate,
  options: GSearchOptions,
): AsyncGenerator<Trial, GSearchResult, void> {
  const { criterion, now, signal } = options;
  const recorded = options.recorded ?? [];
  let state = replay(initGSearch(options), recorded);
  const trials = [...recorded];
  const call = createCaller(evaluate, signal);

  signal?.throwIfAborted();
  const full = options.full ??
    await call(fullSchedule(options.layers, options.visionTokens));
  checkEpsilon(criterion, full.total);

  for (
    let proposal = askGSearch(state);
    proposal !== null;
    proposal = askGSearch(state)
  ) {
    const { layer, keep, schedule } = proposal;
    const start = now?.();
    const evaluation = await call(
      schedule,
      (partial) => judge(criterion, full, partial) !== "open",
    );
    const verdict = judge(criterion, full, evaluation);
    if (verdict === "open") {
      throw new RangeError(
        `Cannot judge a trial as its evaluation stopped while the outcome was open: ${evaluation.samples.length} of ${full.total} samples seen`,
      );
    }
    state = tellGSearch(state, verdict);
    const trial: Trial = {
      layer,
      keep,
      schedule: schedule.keep,
      verdict,
      samplesUsed: evaluation.samples.length,
      meanDrop: meanDrop(criterion, full, evaluation),
      remaining: remainingTrials(state),
      ...(now && start !== undefined && { seconds: (now() - start) / 1000 }),
    };
    trials.push(trial);
    yield trial;
  }
  return { schedule: bestSchedule(state), full, trials };
}

/** The state after the recorded trials, each checked against the search. */
function replay(
  state: GSearchState,
  recorded: readonly Trial[],
): GSearchState {
  for (const [index, trial] of recorded.entries()) {
    const proposal = askGSearch(state);
    if (proposal === null || !matches(trial, proposal)) {
      const asked = proposal === null
        ? "no further trial"
        : `layer ${proposal.layer} with [${proposal.schedule.keep}]`;
      throw new RangeError(
        `Cannot resume as recorded trial ${index} must be what the search asks for, with a verdict: expected ${asked}, got layer ${trial.layer} with [${trial.schedule}] and verdict ${trial.verdict}`,
      );
    }
    state = tellGSearch(state, trial.verdict);
  }
  return state;
}

function matches(trial: Trial, { layer, keep, schedule }: Proposal): boolean {
  return trial.layer === layer && trial.keep === keep &&
    trial.schedule.length === schedule.keep.length &&
    trial.schedule.every((count, i) => count === schedule.keep[i]) &&
    (trial.verdict === "pass" || trial.verdict === "fail");
}

/**
 * G-Search: the least vision tokens per layer without losing performance
 * (docs/method.md, "G-Search"), by bisection over keep counts from shallow to deep.
 *
 * The search is a plain record and three pure functions, `initGSearch()`,
 * `askGSearch()` and `tellGSearch()`, which neither run nor judge a model.
 * `gSearch()` drives them with an `Evaluate` function: it judges each trial
 * against the full model on the same samples, stops a trial as soon as its
 * outcome is certain, and takes up an interrupted search where it stood.
 */

// This module is browser compatible.

import {
  fromKeepCounts,
  fullSchedule,
  type Schedule,
} from "../core/schedule.ts";
import { checkFields, createCaller } from "./calls.ts";
import { checkIntegers } from "./checks.ts";
import {
  checkEpsilon,
  type Criterion,
  judge,
  meanDrop,
  type Verdict,
} from "./criterion.ts";
import type { Evaluate, Evaluation } from "./evaluate.ts";

/** What G-Search searches over. */
export interface GSearchSpace {
  /** L, decoder layers. */
  readonly layers: number;
  /** N, vision tokens entering the decoder. */
  readonly visionTokens: number;
  /**
   * First layer that may be reduced, 0-based, in [1, L − 1]: layer 0 has no
   * attention scores before it. Default 3, as the paper's FLOPs imply.
   */
  readonly firstLayer?: number;
  /** Fewest tokens any layer keeps, an integer in [0, N]. Default 0. */
  readonly minKeep?: number;
}

/**
 * Where a search stands; JSON-serialisable, never changed in place.
 *
 * Invariant: at `layer`, keeping `high` is feasible and keeping fewer than
 * `low` is not, given the layers before it. `high` needs no trial of its own:
 * it is the run judged last to pass (the full model before any).
 */
export interface GSearchState {
  /** N. */
  readonly visionTokens: number;
  /** L. */
  readonly layers: number;
  /** Fewest tokens any layer keeps. */
  readonly minKeep: number;
  /** Decided keep counts of the layers 0 … `layer − 1`. */
  readonly decided: readonly number[];
  /** The layer being searched; L when the search is done. */
  readonly layer: number;
  /** Least keep count of `layer` still in question. */
  readonly low: number;
  /** Least keep count of `layer` known to be feasible. */
  readonly high: number;
}

/** The next run to judge. */
export interface Proposal {
  /** The layer being searched. All before it are decided for good. */
  readonly layer: number;
  /** Its keep count. */
  readonly keep: number;
  /** Keep counts of all layers. */
  readonly schedule: Schedule;
}

/**
 * Starts a search.
 *
 * @param space What to search over.
 * @returns The first state.
 * @throws {RangeError} If a number of the space is out of range.
 */
export function initGSearch(
  { layers, visionTokens, firstLayer = 3, minKeep = 0 }: GSearchSpace,
): GSearchState {
  checkIntegers("start a search", {
    layers: { value: layers, least: 2, most: Infinity },
    visionTokens: { value: visionTokens, least: 0, most: Infinity },
    firstLayer: { value: firstLayer, least: 1, most: layers - 1 },
    minKeep: { value: minKeep, least: 0, most: visionTokens },
  });
  return settle({
    visionTokens,
    layers,
    minKeep,
    decided: Array(firstLayer).fill(visionTokens),
    layer: firstLayer,
    low: minKeep,
    high: visionTokens,
  });
}

/**
 * The next run to judge.
 *
 * Deeper layers inherit the keep count of the layer under search. As kept sets
 * are nested this is the same run as "deeper layers keep everything they get":
 * a deeper layer cannot see more than this one let through.
 *
 * @param state The search.
 * @returns The proposal, or null when the search is done.
 */
export function askGSearch(state: GSearchState): Proposal | null {
  const { layer, low, high, visionTokens } = state;
  if (layer === state.layers) return null;
  const keep = Math.floor((low + high) / 2);
  const schedule = fromKeepCounts(inherit(state, keep), visionTokens);
  return { layer, keep, schedule };
}

/**
 * Takes the verdict on what `askGSearch()` proposes.
 *
 * @param state The search.
 * @param verdict Whether the proposal is as good as the full model.
 * @returns The next state.
 * @throws {RangeError} If the search is done.
 */
export function tellGSearch(
  state: GSearchState,
  verdict: Verdict,
): GSearchState {
  const proposal = askGSearch(state);
  if (proposal === null) {
    throw new RangeError("Cannot take a verdict as the search is done");
  }
  // Bisection is exact when feasibility is monotone in the keep count, which
  // is the paper's assumption; without it `high` is still always feasible.
  return settle(
    verdict === "pass"
      ? { ...state, high: proposal.keep }
      : { ...state, low: proposal.keep + 1 },
  );
}

/**
 * The least schedule known to be feasible: the result once the search is done,
 * and a usable one at any time before. It is exactly the schedule of the last
 * proposal that passed (the full schedule before any).
 *
 * @param state The search.
 * @returns The schedule.
 */
export function bestSchedule(state: GSearchState): Schedule {
  return fromKeepCounts(inherit(state, state.high), state.visionTokens);
}

/**
 * An upper bound on the number of trials to come, for a progress display. It
 * holds for every outcome, and falls with every verdict; each time a keep
 * count halves, it falls by one for every layer to come.
 *
 * @param state The search.
 * @returns Trials, 0 when the search is done.
 */
export function remainingTrials(state: GSearchState): number {
  const { layer, layers, low, high, minKeep } = state;
  if (layer === layers) return 0;
  const deeper = layers - layer - 1;
  return bisections(high - low) + deeper * bisections(high - minKeep);
}

/** Trials that bisection needs at most for a range of `width + 1` counts. */
function bisections(width: number): number {
  return Math.ceil(Math.log2(width + 1));
}

/** Decided layers, then `keep` for the layer under search and all deeper. */
function inherit({ layers, decided }: GSearchState, keep: number): number[] {
  return [...decided, ...Array(layers - decided.length).fill(keep)];
}

/** Moves on to the next layer for as long as there is nothing to decide. */
function settle(state: GSearchState): GSearchState {
  let { layer, low, high } = state;
  const decided = [...state.decided];
  while (layer < state.layers && low === high) {
    decided.push(high);
    layer++;
    low = state.minKeep;
  }
  return { ...state, decided, layer, low, high };
}

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
 * Searches the least schedule that is as good as the full model
 * (docs/method.md, "G-Search").
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
  let state = resumeGSearch(options, recorded);
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

/**
 * Where a search stands after trials that were recorded, each of which is checked
 * against what the search asks for.
 *
 * @param space What is searched over.
 * @param recorded Trials from the first one on, in order.
 * @returns The state.
 * @throws {RangeError} If a trial is not what the search asks for, or has a value
 *   that no trial has; the message has its number.
 */
export function resumeGSearch(
  space: GSearchSpace,
  recorded: readonly Trial[],
): GSearchState {
  let state = initGSearch(space);
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
    checkFields(index, trial, {
      samplesUsed: "count",
      meanDrop: "number",
      remaining: remainingTrials(state),
      seconds: "duration",
    });
  }
  return state;
}

function matches(trial: Trial, { layer, keep, schedule }: Proposal): boolean {
  return trial.layer === layer && trial.keep === keep &&
    Array.isArray(trial.schedule) &&
    trial.schedule.length === schedule.keep.length &&
    trial.schedule.every((count, i) => count === schedule.keep[i]) &&
    (trial.verdict === "pass" || trial.verdict === "fail");
}

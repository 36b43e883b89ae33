/**
 * G-Search finds the fewest vision tokens per layer that lose no performance
 * (docs/method.md, "G-Search"). It bisects the keep counts from shallow to deep
 * layers.
 *
 * The search is a plain record and three pure functions, `initGSearch()`,
 * `askGSearch()` and `tellGSearch()`. They neither run nor judge a model.
 * `gSearch()` drives them with an `Evaluate` function. It judges each trial
 * against the full model on the same samples, stops a trial as soon as its
 * outcome is certain, and resumes an interrupted search.
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

/** Search space of G-Search. */
export interface GSearchSpace {
  /** L, decoder layers. */
  readonly layers: number;
  /** N, vision tokens entering the decoder. */
  readonly visionTokens: number;
  /**
   * First layer that may be reduced, 0-based, in [1, L − 1]. Layer 0 cannot be
   * reduced, because no layer before it gives attention scores. Default 3, as
   * the paper's FLOPs imply.
   */
  readonly firstLayer?: number;
  /** Fewest tokens any layer keeps, an integer in [0, N]. Default 0. */
  readonly minKeep?: number;
}

/**
 * State of a search; JSON-serialisable, never changed in place.
 *
 * Invariant: given the layers before `layer`, keeping `high` tokens there is
 * feasible and keeping fewer than `low` is not. `high` needs no trial of its
 * own, because it belongs to the last run that passed (at the start, the full
 * model).
 */
export interface GSearchState {
  /** N. */
  readonly visionTokens: number;
  /** L. */
  readonly layers: number;
  /** Fewest tokens any layer keeps. */
  readonly minKeep: number;
  /** Final keep counts of the layers 0 … `layer − 1`. */
  readonly decided: readonly number[];
  /** The layer being searched; L when the search is done. */
  readonly layer: number;
  /** Least keep count of `layer` that may still be feasible. */
  readonly low: number;
  /** Least keep count of `layer` known to be feasible. */
  readonly high: number;
}

/** The next run to judge. */
export interface Proposal {
  /** The layer being searched. All layers before it are final. */
  readonly layer: number;
  /** Keep count of that layer. */
  readonly keep: number;
  /** Keep counts of all layers. */
  readonly schedule: Schedule;
}

/**
 * Starts a search.
 *
 * @param space Search space.
 * @returns The initial state.
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
 * Deeper layers inherit the keep count of the layer under search. Kept sets are
 * nested, so a deeper layer cannot see more tokens than this layer lets
 * through. Therefore the run equals one in which deeper layers keep all tokens
 * that they get.
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
 * Takes the verdict on the proposal of `askGSearch()`.
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
  // Bisection is exact if feasibility is monotone in the keep count, as the
  // paper assumes. Without monotonicity `high` is still always feasible.
  return settle(
    verdict === "pass"
      ? { ...state, high: proposal.keep }
      : { ...state, low: proposal.keep + 1 },
  );
}

/**
 * The least schedule known to be feasible. It is the result once the search is
 * done, and it is usable at any time before. It equals the schedule of the last
 * proposal that passed (at the start, the full schedule).
 *
 * @param state The search.
 * @returns The schedule.
 */
export function bestSchedule(state: GSearchState): Schedule {
  return fromKeepCounts(inherit(state, state.high), state.visionTokens);
}

/**
 * Upper bound on the number of trials to come, for a progress display. It holds
 * for every outcome and falls with every verdict. When the keep count halves,
 * the bound falls by one for each remaining layer.
 *
 * @param state The search.
 * @returns Number of trials, 0 when the search is done.
 */
export function remainingTrials(state: GSearchState): number {
  const { layer, layers, low, high, minKeep } = state;
  if (layer === layers) return 0;
  const deeper = layers - layer - 1;
  return bisections(high - low) + deeper * bisections(high - minKeep);
}

/** Most trials that bisection needs for a range of `width + 1` counts. */
function bisections(width: number): number {
  return Math.ceil(Math.log2(width + 1));
}

/** Keep counts of the decided layers, then `keep` for all other layers. */
function inherit({ layers, decided }: GSearchState, keep: number): number[] {
  return [...decided, ...Array(layers - decided.length).fill(keep)];
}

/** Moves past the layers that leave nothing to decide. */
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

/** A schedule that was run and judged; JSON-serialisable. */
export interface Trial {
  /** The layer under search, 0-based. */
  readonly layer: number;
  /** Keep count of that layer, which deeper layers inherit. */
  readonly keep: number;
  /** Keep counts of all layers, shape [L]. */
  readonly schedule: readonly number[];
  /** Whether the schedule was as good as the full model. */
  readonly verdict: Verdict;
  /** Number of samples seen until the verdict was certain. */
  readonly samplesUsed: number;
  /**
   * Mean drop from the full model over those samples: points for the criteria
   * accuracy and bound, nats for loss. It is biased if the trial was stopped
   * early.
   */
  readonly meanDrop: number;
  /** Upper bound on the trials still to come after this one. */
  readonly remaining: number;
  /** Duration, if a clock was given. */
  readonly seconds?: number;
}

/** Options of {@linkcode gSearch}. */
export interface GSearchOptions extends GSearchSpace {
  /** Criterion for a trial to be as good as the full model. */
  readonly criterion: Criterion;
  /**
   * Trials of an interrupted run in order, from the first one on. Their
   * verdicts are reused without evaluation. This is correct only for the same
   * model, samples and criterion.
   */
  readonly recorded?: readonly Trial[];
  /** Evaluation of the full model on the same samples, if already known. */
  readonly full?: Evaluation;
  /** A clock in milliseconds, such as `() => performance.now()`. */
  readonly now?: () => number;
  /**
   * Aborts the search between trials. It also aborts a trial if `evaluate`
   * obeys it.
   */
  readonly signal?: AbortSignal;
}

/** Result of {@linkcode gSearch}. */
export interface GSearchResult {
  /** The least schedule that was as good as the full model. */
  readonly schedule: Schedule;
  /** Evaluation of the full model on the same samples. */
  readonly full: Evaluation;
  /** All trials in order, the recorded ones included. */
  readonly trials: readonly Trial[];
}

/**
 * Searches for the least schedule that is as good as the full model
 * (docs/method.md, "G-Search").
 *
 * It evaluates the full schedule once unless `full` is given, then one schedule
 * per trial. The criterion's noise can make feasibility non-monotone. The
 * result may then not be optimal, but its own trial passed.
 *
 * @param evaluate Runs the model on the calibration set.
 * @param options Space, criterion and the rest.
 * @returns A generator that yields each newly evaluated trial (not the recorded
 * ones) and returns the result.
 * @throws {RangeError} If the space is out of range, the samples are too few
 * for ε (see {@linkcode checkEpsilon}), a recorded trial differs from what the
 * search asks for, `evaluate` stops while the outcome is open, or its
 * evaluations do not pair up (see {@linkcode judge}).
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
 * Replays recorded trials and returns the state after them. Each trial is
 * checked against what the search asks for.
 *
 * @param space Search space.
 * @param recorded Trials in order, from the first one on.
 * @returns The state.
 * @throws {RangeError} If a trial differs from what the search asks for, or
 * holds an impossible value. The message names the trial's number.
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

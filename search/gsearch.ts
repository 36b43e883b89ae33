/**
 * G-Search: the least vision tokens per layer without losing performance
 * (paper section 3), by bisection over keep counts from shallow to deep.
 *
 * The search is a plain record and three pure functions: `initGSearch()`,
 * `askGSearch()`, `tellGSearch()`. Nothing here runs or judges a model; that is
 * `gSearch()` in gsearch_run.ts.
 */

// This module is browser compatible.

import { fromKeepCounts, type Schedule } from "../core/schedule.ts";
import { checkIntegers } from "./checks.ts";
import type { Verdict } from "./criterion.ts";

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

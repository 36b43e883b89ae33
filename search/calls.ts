/** How searches call an `Evaluate` function, and record what they called. */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";
import type { Evaluate, EvaluateOptions, Evaluation } from "./evaluate.ts";
import type { Objective } from "./objective.ts";

/** Number of leading layers that keep the same counts. */
export function commonLayers(a: Schedule, b: Schedule): number {
  const first = a.keep.findIndex((keep, layer) => keep !== b.keep[layer]);
  return first === -1 ? a.keep.length : first;
}

/**
 * An `Evaluate` function as called by one search alone: each call promises the
 * layers it has in common with the call before.
 *
 * @param evaluate Runs the model.
 * @param signal Handed on with every call, and obeyed between calls.
 * @returns From a schedule to its evaluation, complete unless `stop` ends it.
 */
export function createCaller(
  evaluate: Evaluate,
  signal: AbortSignal | undefined,
): (
  schedule: Schedule,
  stop?: EvaluateOptions["stop"],
) => Promise<Evaluation> {
  let previous: Schedule | null = null;
  return async (schedule, stop) => {
    signal?.throwIfAborted();
    const fixedLayers = previous === null
      ? 0
      : commonLayers(previous, schedule);
    previous = schedule;
    const evaluation = await evaluate(schedule, {
      fixedLayers,
      ...(stop && { stop }),
      ...(signal && { signal }),
    });
    // An evaluation that returned early because of the signal is no result.
    signal?.throwIfAborted();
    return evaluation;
  };
}

/** How a search over complete evaluations runs. */
export interface TrialOptions<Trial> {
  /** What the search maximises. Default "probability". */
  readonly objective?: Objective;
  /**
   * Trials of an interrupted run, from its first on, in order. Their outcomes
   * are taken instead of being evaluated again, which is only right for the same
   * model, samples and options.
   */
  readonly recorded?: readonly Trial[];
  /** A clock in milliseconds, such as `() => performance.now()`. */
  readonly now?: () => number;
  /** Ends the search between trials, and within one if `evaluate` obeys it. */
  readonly signal?: AbortSignal;
}

/**
 * Checks that a recorded trial is of the schedule that the search asks for.
 *
 * @param index Number of the trial.
 * @param schedule Its keep counts.
 * @param asked Those that the search asks for; null when it is done.
 * @throws {RangeError} If it is not.
 */
export function checkRecorded(
  index: number,
  schedule: readonly number[],
  asked: readonly number[] | null,
): void {
  if (asked === null || String(schedule) !== String(asked)) {
    throw new RangeError(
      `Cannot resume as recorded trial ${index} must be what the search asks for: expected ${
        asked === null ? "no further trial" : `[${asked}]`
      }, got [${schedule}]`,
    );
  }
}

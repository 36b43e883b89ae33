/** What searches have in common that keep a record of their trials. */

// This module is browser compatible.

import type { Objective } from "./objective.ts";

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

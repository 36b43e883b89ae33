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

/** What a field of a recorded trial must be; a number stands for itself. */
export type FieldRule = "number" | "count" | "duration" | number;

const RULES: Readonly<
  Record<
    string,
    readonly [requirement: string, holds: (value: number) => boolean]
  >
> = {
  number: ["a finite number", () => true],
  count: [
    "an integer of at least 1",
    (value) => Number.isInteger(value) && value >= 1,
  ],
  duration: ["missing, or at least 0", (value) => value >= 0],
};

/**
 * Checks fields of a recorded trial that the search does not ask for: a file may
 * have been changed by hand.
 *
 * @param index Number of the trial.
 * @param trial The trial.
 * @param rules What its fields must be.
 * @throws {RangeError} If one is not.
 */
export function checkFields<Trial extends object>(
  index: number,
  trial: Trial,
  rules: Readonly<Partial<Record<keyof Trial & string, FieldRule>>>,
): void {
  for (const [name, rule] of Object.entries<FieldRule | undefined>(rules)) {
    const value = trial[name as keyof Trial] as unknown;
    if (rule === "duration" && value === undefined) continue;
    const [requirement, holds] = typeof rule === "number"
      ? [String(rule), (value: number) => value === rule] as const
      : RULES[rule!];
    if (!Number.isFinite(value) || !holds(value as number)) {
      throw new RangeError(
        `Cannot resume as ${name} of recorded trial ${index} must be ${requirement}: current value is ${
          JSON.stringify(value)
        }`,
      );
    }
  }
}

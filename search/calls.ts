/**
 * Calls of an `Evaluate` function by a search, and checks of the trials that
 * were recorded.
 */

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
 * Wraps an `Evaluate` function for a single search. Each call promises the
 * layers that its schedule has in common with the previous one.
 *
 * @param evaluate Runs the model.
 * @param signal Passed on with every call, and checked between calls.
 * @returns A function from a schedule to its evaluation. The evaluation is
 * complete unless `stop` ends it.
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
    // After an abort the evaluation may be incomplete, so it is no result.
    signal?.throwIfAborted();
    return evaluation;
  };
}

/** Options of a search that uses complete evaluations. */
export interface TrialOptions<Trial> {
  /** Objective that the search maximises. Default "probability". */
  readonly objective?: Objective;
  /**
   * Trials of an interrupted run in order, from the first one on. Their
   * outcomes are reused without evaluation. This is correct only for the same
   * model, samples and options.
   */
  readonly recorded?: readonly Trial[];
  /** A clock in milliseconds, such as `() => performance.now()`. */
  readonly now?: () => number;
  /**
   * Aborts the search between trials. It also aborts a trial if `evaluate`
   * obeys it.
   */
  readonly signal?: AbortSignal;
}

/**
 * Checks that a recorded trial has the schedule that the search asks for.
 *
 * @param index Number of the trial.
 * @param schedule Keep counts of the trial.
 * @param asked Keep counts that the search asks for; null when it is done.
 * @throws {RangeError} If the two differ.
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

/** Rule for a field of a recorded trial. A number allows only that number. */
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
 * Checks the fields of a recorded trial that the search does not ask for.
 * Someone may have edited the file by hand.
 *
 * @param index Number of the trial.
 * @param trial The trial.
 * @param rules Rules by field name.
 * @throws {RangeError} If a field breaks its rule.
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

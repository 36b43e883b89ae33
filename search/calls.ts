/** How searches call an `Evaluate` function that wants complete results. */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";
import type { Evaluate, Evaluation } from "./evaluate.ts";

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
 * @returns From a schedule to its evaluation.
 */
export function createCaller(
  evaluate: Evaluate,
  signal: AbortSignal | undefined,
): (schedule: Schedule) => Promise<Evaluation> {
  let previous: Schedule | null = null;
  return async (schedule) => {
    signal?.throwIfAborted();
    const fixedLayers = previous === null
      ? 0
      : commonLayers(previous, schedule);
    previous = schedule;
    const evaluation = await evaluate(schedule, {
      fixedLayers,
      ...(signal && { signal }),
    });
    // An evaluation that returned early because of the signal is no result.
    signal?.throwIfAborted();
    return evaluation;
  };
}

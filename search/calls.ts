/** How searches call an `Evaluate` function. */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";
import type { Evaluate, EvaluateOptions, Evaluation } from "./evaluate.ts";

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

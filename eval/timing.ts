/**
 * Measured prefill time of the decoder. Schedules take turns, so that what
 * else the machine does hits all of them alike, and medians are reported.
 *
 * This module is browser compatible.
 */

import type {
  ReductionOptions,
  Schedule,
  VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";
import { createEvaluator } from "./evaluator.ts";

/** A way to run the model. */
export interface TimedRun {
  /** Its keep counts. */
  readonly schedule: Schedule;
  /** Its ranking and position rule. */
  readonly reduction: ReductionOptions;
}

/** Options of `timePrefill`. */
export interface TimingOptions {
  /** A clock in milliseconds, such as `() => performance.now()`. */
  readonly now: () => number;
  /** Measurements of each run. Default 5. */
  readonly repeats?: number;
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Times the decoder's prefill (vision tokens are there already).
 *
 * @returns median milliseconds per sample (of two medians the larger), for
 *   each run
 */
export async function timePrefill(
  model: VisionLanguageModel,
  set: SampleSet,
  runs: readonly TimedRun[],
  { now, repeats = 5, signal }: TimingOptions,
): Promise<number[]> {
  const options = signal ? { signal } : {};
  const evaluators = runs.map(({ reduction }) =>
    createEvaluator(model, set, { ...reduction, cache: false })
  );
  // Not counted: computes the vision tokens and warms up the compiler.
  for (const [i, evaluate] of evaluators.entries()) {
    await evaluate(runs[i].schedule, options);
  }
  const times: number[][] = runs.map(() => []);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [i, evaluate] of evaluators.entries()) {
      const start = now();
      await evaluate(runs[i].schedule, options);
      times[i].push((now() - start) / set.samples.length);
    }
  }
  return times.map((t) => t.sort((a, b) => a - b)[repeats >> 1]);
}

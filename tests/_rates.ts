/** A model in name only, whose answers are good where rates are as wanted. */

import type { Schedule } from "../core/schedule.ts";
import { createPrng, drawNormal } from "../optim/mod.ts";
import type { Evaluate, EvaluateOptions } from "../search/evaluate.ts";

/** One call of a toy. */
export interface Call {
  /** The schedule. */
  readonly keep: readonly number[];
  /** What came with it. */
  readonly options: EvaluateOptions;
}

/** Options of {@linkcode evaluateByRates}. */
export interface RatesToy {
  /** The schedule whose answers are best. */
  readonly wanted: Schedule;
  /** Standard deviation of a sample's loss from schedule to schedule. */
  readonly noise?: number;
  /** Logs the calls. */
  readonly calls?: Call[];
}

/** Loss of every sample where there is no noise. */
export function lossWithoutNoise(wanted: Schedule, schedule: Schedule): number {
  const squares = schedule.keep.map((count, i) =>
    ((count - wanted.keep[i]) / wanted.visionTokens) ** 2
  );
  return .1 + 3 * squares.reduce((sum, square) => sum + square, 0);
}

/**
 * Evaluates 40 samples, from the last to the first. Noise is the same whenever
 * the schedule and the sample are.
 */
export function evaluateByRates(
  { wanted, noise = 0, calls = [] }: RatesToy,
): Evaluate {
  return (schedule, options = {}) => {
    calls.push({ keep: schedule.keep, options });
    const samples = Array.from({ length: 40 }, (_, i) => {
      const index = 39 - i;
      const error = noise * drawNormal(createPrng(index, ...schedule.keep));
      const loss = Math.max(0, lossWithoutNoise(wanted, schedule) + error);
      return { index, correct: loss < .5, loss };
    });
    return Promise.resolve({ samples, total: samples.length });
  };
}

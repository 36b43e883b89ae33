/**
 * model × data × schedule → per-sample results, on one thread. `pool.ts` does
 * the same on several.
 *
 * This module is browser compatible.
 */

import type { VisionLanguageModel } from "../core/mod.ts";
import type { Evaluate, SampleResult } from "../search/evaluate.ts";
import {
  type BatchOptions,
  createBatchRunner,
  hardestFirst,
  makeBatches,
  meanLoss,
  type SampleSet,
} from "./batches.ts";

/** How an evaluator runs the model. */
export interface EvaluatorOptions extends BatchOptions {
  /**
   * Samples that run together, at most. Default 8. A backend that computes one
   * sample as fast as its share of eight does best with few: a trial can stop
   * earlier.
   */
  readonly batchSize?: number;
  /** Called after each batch with the number of samples done in this call. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Samples per batch where the caller does not say. */
export const DEFAULT_BATCH_SIZE = 8;

/**
 * Prepares a sample set for evaluation under any number of schedules. Vision
 * tokens are computed on the first call.
 *
 * @example Accuracy of a schedule
 * ```ts ignore
 * const evaluate = createEvaluator(model, set);
 * const { samples } = await evaluate(fastvSchedule({ layers: 8, ... }));
 * ```
 */
export function createEvaluator(
  model: VisionLanguageModel,
  { images, samples }: SampleSet,
  { batchSize = DEFAULT_BATCH_SIZE, onProgress, ...options }: EvaluatorOptions =
    {},
): Evaluate {
  const batches = makeBatches(samples, batchSize);
  const runBatch = createBatchRunner(model, { images, batches }, options);
  const total = samples.length;
  let order = [...batches.keys()];
  const losses: number[] = [];

  return async (schedule, { fixedLayers = 0, stop, signal } = {}) => {
    const results: SampleResult[] = [];
    for (const batch of order) {
      signal?.throwIfAborted();
      const scored = await runBatch(batch, schedule, fixedLayers);
      losses[batch] = meanLoss(scored);
      results.push(...scored);
      onProgress?.(results.length, total);
      await eventLoopTurn();
      if (stop?.({ samples: results, total })) {
        return { samples: results, total };
      }
    }
    // Whether a trial fails is decided by the samples that are hard: with them
    // in front it is certain early.
    order = hardestFirst(losses);
    return { samples: results, total };
  };
}

/** How long timers and signals may have to wait, in milliseconds. */
const MOST_WAIT = 20;
let lastTurn = 0;

/**
 * Lets timers and signals (Ctrl-C) have their turn between computations. As
 * this costs more than a millisecond, it happens only every now and then.
 */
export async function eventLoopTurn(): Promise<void> {
  if (performance.now() - lastTurn < MOST_WAIT) return;
  await new Promise((resolve) => setTimeout(resolve));
  lastTurn = performance.now();
}

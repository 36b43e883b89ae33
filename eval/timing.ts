/**
 * Measured prefill time of the decoder. Schedules take turns, so that what
 * else the machine does hits all of them alike, and medians are reported.
 *
 * This module is browser compatible.
 */

import {
  embedPrompts,
  embedTiles,
  predictNextToken,
  type ReductionOptions,
  scaleSchedule,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";

/** A way to run the model. */
export interface TimedRun {
  /** Its keep counts, to be scaled to each image. */
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
  const { backend } = model;
  const prompts = set.samples.map(({ prompt }) => prompt);
  const visionTokens = set.samples.map(({ image }) =>
    embedTiles(model, [set.images[image]])
  );
  /** Prefills each sample by itself. */
  async function prefill({ schedule, reduction }: TimedRun): Promise<void> {
    for (const [i, prompt] of prompts.entries()) {
      signal?.throwIfAborted();
      const logits = backend.scope(() => {
        const numbers = reduction.ranking === "random" ? [i] : undefined;
        const state = embedPrompts(model, visionTokens[i], [prompt], numbers);
        const scaled = scaleSchedule(schedule, state.vision.length);
        return predictNextToken(model, state, scaled, reduction);
      });
      await backend.read(logits);
      backend.free([logits]);
    }
  }

  // Not counted: warms up the compiler.
  for (const run of runs) await prefill(run);
  const times: number[][] = runs.map(() => []);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [i, run] of runs.entries()) {
      const start = now();
      await prefill(run);
      times[i].push((now() - start) / prompts.length);
    }
  }
  backend.free(visionTokens);
  return times.map((t) => t.sort((a, b) => a - b)[repeats >> 1]);
}

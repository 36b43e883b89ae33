/**
 * Schedules side by side on held-out questions: accuracy, paired differences,
 * costs, measured time.
 */

import { createRandom } from "../core/mod.ts";
import { accuracy, type SampleSet, timePrefill } from "../eval/mod.ts";
import {
  type AccuracyDifference,
  accuracyDifference,
  decoderFlops,
  kvCacheBytes,
} from "../search/mod.ts";
import { modelShape } from "./shape.ts";
import type { Run, Study } from "./study.ts";

/** A run with its costs. */
export interface ComparedRun extends Run {
  /** Share of right answers. */
  readonly accuracy: number;
  /** The paired difference in accuracy from the first run, in points. */
  readonly difference: AccuracyDifference;
  /** FLOPs of the decoder, per question. */
  readonly flops: number;
  /** Bytes of the KV cache after prefill, per question. */
  readonly kvBytes: number;
  /** Measured prefill of the decoder, in milliseconds per question. */
  readonly milliseconds: number;
}

/** Held-out samples that are timed. */
const TIMED_SAMPLES = 16;

/** The model and the questions that runs are compared on. */
export interface ComparedOn extends Pick<Study, "loaded"> {
  /** Held-out questions; the first of them are timed. */
  readonly heldout: SampleSet;
  /** Ends the timing. */
  readonly signal?: AbortSignal;
}

/**
 * Adds to each run its costs for the image with most tiles, its measured time,
 * and its paired difference from the first run.
 */
export async function compareRuns(
  study: ComparedOn,
  runs: readonly Run[],
): Promise<ComparedRun[]> {
  const shape = modelShape(study.loaded.model.config);
  const textTokens = meanTextTokens(study.heldout);
  const times = await timeRuns(timePrefill, study, runs);
  return runs.map((run, i) => ({
    ...run,
    accuracy: accuracy(run.evaluation.samples),
    difference: accuracyDifference(run.evaluation, runs[0].evaluation, {
      random: createRandom(i).uniform,
    }),
    flops: decoderFlops(shape, run.schedule, textTokens),
    // Backends compute in f32.
    kvBytes: kvCacheBytes(shape, run.schedule, {
      textTokens,
      bytesPerElement: 4,
    }),
    milliseconds: times[i],
  }));
}

/** The number of text tokens of a mean question. */
export function meanTextTokens({ samples }: SampleSet): number {
  const lengths = samples.map(({ prompt: { before, after } }) =>
    before.length + after.length
  );
  return lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
}

/** Measures the milliseconds of each run on some of the held-out questions. */
export function timeRuns(
  time: typeof timePrefill,
  { loaded: { model }, heldout: { images, samples }, signal }: ComparedOn,
  runs: readonly Run[],
): Promise<number[]> {
  return time(
    model,
    { images, samples: samples.slice(0, TIMED_SAMPLES) },
    runs.map(({ schedule, ranking, positions }) => ({
      schedule,
      reduction: { ranking, positions },
    })),
    { now: () => performance.now(), ...signal && { signal } },
  );
}

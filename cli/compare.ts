/**
 * The proof: schedules side by side on held-out questions, in a table, in
 * schedule.json, and as one JSON object for programs.
 */

import {
  createRandom,
  meanKeepingRate,
  type PositionRule,
  type Ranking,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { accuracy, type SampleSet, timePrefill } from "../eval/mod.ts";
import {
  formatCount,
  formatDifference,
  formatPercent,
  formatTable,
} from "../report/mod.ts";
import {
  type AccuracyDifference,
  accuracyDifference,
  decoderFlops,
  type Evaluation,
  kvCacheBytes,
} from "../search/mod.ts";
import { modelShape } from "../study/shape.ts";
import type { Output } from "./output.ts";

/** A way to run the model, and what came of it on the held-out questions. */
export interface Run {
  readonly name: string;
  readonly schedule: Schedule;
  readonly ranking: Ranking;
  readonly positions: PositionRule;
  readonly evaluation: Evaluation;
}

/** A run with its costs. */
export interface ComparedRun extends Run {
  /** Share of right answers. */
  readonly accuracy: number;
  /** Against the first run, paired, in points. */
  readonly difference: AccuracyDifference;
  /** Of the decoder, per question. */
  readonly flops: number;
  /** After prefill, per question. */
  readonly kvBytes: number;
  /** Measured prefill of the decoder, per question. */
  readonly milliseconds: number;
}

/** Held-out samples that are timed. */
const TIMED_SAMPLES = 16;

/**
 * Adds costs, of the image with most tiles, measured time and paired differences
 * from the first run.
 */
export async function compareRuns(
  model: VisionLanguageModel,
  heldout: SampleSet,
  runs: readonly Run[],
  signal: AbortSignal,
): Promise<ComparedRun[]> {
  const shape = modelShape(model.config);
  const textTokens = meanTextTokens(heldout);
  const times = await timeRuns(timePrefill, { model, heldout, runs, signal });
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

/** Text tokens of a mean question. */
export function meanTextTokens({ samples }: SampleSet): number {
  const lengths = samples.map(({ prompt: { before, after } }) =>
    before.length + after.length
  );
  return lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
}

/** What is timed. */
export interface TimedRuns {
  readonly model: VisionLanguageModel;
  readonly heldout: SampleSet;
  readonly runs: readonly Run[];
  readonly signal: AbortSignal;
}

/** Milliseconds of each run on some of the held-out questions. */
export function timeRuns(
  time: typeof timePrefill,
  { model, heldout: { images, samples }, runs, signal }: TimedRuns,
): Promise<number[]> {
  return time(
    model,
    { images, samples: samples.slice(0, TIMED_SAMPLES) },
    runs.map(({ schedule, ranking, positions }) => ({
      schedule,
      reduction: { ranking, positions },
    })),
    { now: () => performance.now(), signal },
  );
}

/** The table of all runs; costs as ratios of the first one's to each. */
export function printComparison(
  { say, draw, columns }: Output,
  runs: readonly ComparedRun[],
): void {
  const [full] = runs;
  say(
    `\nOn ${full.evaluation.total} held-out questions; difference from the full model in points, with its paired 95 % interval:`,
  );
  draw(formatTable([
    ["", "accuracy", "difference", "keeping", "FLOPs", "KV cache", "time"],
    ...runs.map((run) => [
      run.name,
      formatPercent(run.accuracy),
      run === full ? "" : formatDifference(run.difference),
      meanKeepingRate(run.schedule).toFixed(3),
      ...run === full
        ? [
          formatCount(full.flops),
          `${formatCount(full.kvBytes)}B`,
          `${full.milliseconds.toFixed(1)} ms`,
        ]
        : [
          formatRatio(full.flops, run.flops),
          formatRatio(full.kvBytes, run.kvBytes),
          formatRatio(full.milliseconds, run.milliseconds),
        ],
    ]),
  ], { columns }));
  say(
    "FLOPs, KV cache, time: the decoder's prefill of one question; 2.00x is half of it",
  );
}

/** How many times less it is than the full model, such as "2.00x". */
export function formatRatio(full: number, reduced: number): string {
  return `${(full / reduced).toFixed(2)}x`;
}

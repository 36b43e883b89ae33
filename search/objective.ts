/**
 * The objective of a schedule: a mean over the calibration samples, which a
 * search maximises within a budget. Unlike a criterion (criterion.ts) it needs
 * all samples and no full model to compare with.
 */

// This module is browser compatible.

import type { Evaluation, SampleResult } from "./evaluate.ts";

/**
 * Quantity that is averaged; larger is better.
 *
 * - `"probability"`: p = exp(−loss) of the right answer, which is the expected
 *   accuracy of sampling an answer. Searches maximise it by default (our
 *   decision). It changes with every sample, whereas accuracy changes in steps
 *   of 1 / n, only with samples whose answer becomes right or wrong. A single
 *   answer that is lost entirely costs 1 / n, whereas its loss may outweigh all
 *   others.
 * - `"loss"`: the negative answer loss, in nats.
 * - `"accuracy"`: 1 for a right answer, else 0.
 */
export type Objective = "probability" | "loss" | "accuracy";

/** Mean paired difference of two schedules on the same samples. */
export interface PairedDifference {
  /** Mean of after − before, positive when after is better. */
  readonly mean: number;
  /** Standard error of the mean; Infinity for a single sample. */
  readonly standardError: number;
}

/** Probability of the right answer, exp(−loss). */
export function answerProbability({ loss }: SampleResult): number {
  return Math.exp(-loss);
}

/**
 * Computes the objective of a schedule.
 *
 * @param objective Quantity that is averaged.
 * @param evaluation A complete evaluation of the schedule.
 * @returns The mean, equal to the last bit for any order of the samples.
 * @throws {RangeError} If the evaluation is incomplete or empty, holds a sample
 * twice, or a loss is negative or not finite.
 */
export function meanScore(
  objective: Objective,
  evaluation: Evaluation,
): number {
  return mean(sampleScores(objective, evaluation).map(({ score }) => score));
}

/**
 * Mean paired difference between two schedules.
 *
 * @param objective Quantity that is averaged.
 * @param before Complete evaluation of one schedule.
 * @param after Complete evaluation of the other schedule on the same samples.
 * @returns The mean difference and its standard error.
 * @throws {RangeError} If the two evaluations differ in their samples, or as
 * for {@linkcode meanScore}.
 */
export function pairedDifference(
  objective: Objective,
  before: Evaluation,
  after: Evaluation,
): PairedDifference {
  const first = sampleScores(objective, before);
  const second = sampleScores(objective, after);
  if (
    first.length !== second.length ||
    first.some(({ index }, i) => index !== second[i].index)
  ) {
    throw new RangeError(
      "Cannot compare two schedules as their evaluations must be of the same samples",
    );
  }
  const gains = first.map(({ score }, i) => second[i].score - score);
  const n = gains.length;
  const gain = mean(gains);
  const squares = gains.reduce((sum, g) => sum + (g - gain) ** 2, 0);
  const standardError = n === 1 ? Infinity : Math.sqrt(squares / (n - 1) / n);
  return { mean: gain, standardError };
}

/** Scores of all samples, by rising index. */
function sampleScores(
  objective: Objective,
  { samples, total }: Evaluation,
): { index: number; score: number }[] {
  const indices = new Set(samples.map(({ index }) => index));
  if (total === 0 || samples.length !== total || indices.size !== total) {
    throw new RangeError(
      `Cannot score a schedule as its evaluation must hold every sample once and not be empty: current value is ${indices.size} different samples in ${samples.length} of ${total}`,
    );
  }
  const scores = samples.map((sample) => {
    const { index, loss } = sample;
    if (!(loss >= 0 && loss < Infinity)) {
      throw new RangeError(
        `Cannot score sample ${index} as its loss must be finite and >= 0: current value is ${loss}`,
      );
    }
    return { index, score: scoreOf(objective, sample) };
  });
  return scores.sort((a, b) => a.index - b.index);
}

function scoreOf(objective: Objective, sample: SampleResult): number {
  switch (objective) {
    case "probability":
      return answerProbability(sample);
    case "loss":
      return -sample.loss;
    case "accuracy":
      return Number(sample.correct);
    default:
      objective satisfies never;
      throw new TypeError(`Cannot score a schedule by objective ${objective}`);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

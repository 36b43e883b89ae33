/**
 * Confidence intervals of accuracies: Wilson's interval for one model, and the
 * paired bootstrap for the difference of two models on the same samples.
 */

// This module is browser compatible.

import type { Evaluation } from "./evaluate.ts";

/** A two-sided 95 % confidence interval. */
export interface Interval {
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
}

/** 97.5 % quantile of the standard normal distribution. */
const z975 = 1.959963984540054;

/**
 * Wilson's 95 % score interval for an accuracy, without continuity correction:
 * `(p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)` with p = correct / n.
 * The interval stays in [0, 1] and is sensible near both ends.
 *
 * @param correct Number of right answers, in [0, total].
 * @param total n, the number of samples, ≥ 1.
 * @returns The interval, as a fraction.
 * @throws {RangeError} If a count is out of range.
 */
export function wilsonInterval(correct: number, total: number): Interval {
  // The negated form also rejects NaN.
  if (!(total >= 1 && correct >= 0 && correct <= total)) {
    throw new RangeError(
      `Cannot compute an interval as 0 <= correct <= total and total >= 1 must hold: current values are ${correct} and ${total}`,
    );
  }
  const p = correct / total;
  const centre = p + z975 ** 2 / (2 * total);
  const half = z975 *
    Math.sqrt(p * (1 - p) / total + z975 ** 2 / (4 * total ** 2));
  const scale = 1 + z975 ** 2 / total;
  // If correct is 0 or n, one end is 0 or 1 except for rounding.
  return {
    low: Math.max(0, (centre - half) / scale),
    high: Math.min(1, (centre + half) / scale),
  };
}

/** Difference of two accuracies with its 95 % interval, all in points. */
export interface AccuracyDifference extends Interval {
  /** Accuracy of the first minus accuracy of the second, in points. */
  readonly difference: number;
}

/** Options of {@linkcode accuracyDifference}. */
export interface BootstrapOptions {
  /** Returns uniform random numbers in [0, 1). */
  readonly random: () => number;
  /** Number of bootstrap samples, an integer ≥ 40. Default 10 000. */
  readonly resamples?: number;
}

/**
 * Difference in accuracy between two evaluations of the same samples. The 95 %
 * interval is a percentile bootstrap over samples (Efron 1979). It draws the
 * two results of a sample together, so that the difficulty of a sample for both
 * cancels.
 *
 * The interval has no width if both are right on the same samples. It is
 * slightly too narrow for few samples (< 50).
 *
 * @param first Complete evaluation, for instance of a schedule.
 * @param second Complete evaluation of the same samples, for instance of the
 * full model. A negative difference is then a loss of accuracy.
 * @param options Source of random numbers, and number of bootstrap samples.
 * @returns Difference and interval, in points.
 * @throws {RangeError} If an evaluation is incomplete or empty, the two differ
 * in their samples, or `resamples` is out of range.
 */
export function accuracyDifference(
  first: Evaluation,
  second: Evaluation,
  { random, resamples = 10_000 }: BootstrapOptions,
): AccuracyDifference {
  if (!Number.isInteger(resamples) || resamples < 40) {
    throw new RangeError(
      `Cannot bootstrap as resamples must be an integer >= 40: current value is ${resamples}`,
    );
  }
  const gains = pairedGains(first, second);
  const n = gains.length;
  const sums = new Float64Array(resamples);
  for (let b = 0; b < resamples; b++) {
    for (let i = 0; i < n; i++) sums[b] += gains[Math.floor(random() * n)];
  }
  sums.sort();
  const tail = Math.floor(.025 * resamples);
  const total = gains.reduce((sum, gain) => sum + gain, 0);
  return {
    difference: 100 * total / n,
    low: 100 * sums[tail] / n,
    high: 100 * sums[resamples - 1 - tail] / n,
  };
}

/**
 * Gain of each sample: 1 if only the first is right, −1 if only the second is,
 * else 0.
 */
function pairedGains(first: Evaluation, second: Evaluation): Int8Array {
  const n = first.total;
  const correctInSecond = new Map(
    second.samples.map(({ index, correct }) => [index, correct]),
  );
  if (
    n === 0 || first.samples.length !== n || second.samples.length !== n ||
    correctInSecond.size !== n
  ) {
    throw new RangeError(
      `Cannot compare accuracies as both evaluations must be complete, of the same samples and not empty: current values are ${first.samples.length} and ${second.samples.length} of ${n}`,
    );
  }
  return Int8Array.from(first.samples, ({ index, correct }) => {
    const other = correctInSecond.get(index);
    if (other === undefined) {
      throw new RangeError(
        `Cannot compare accuracies as sample ${index} is missing from the second evaluation`,
      );
    }
    return Number(correct) - Number(other);
  });
}

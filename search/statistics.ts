/**
 * How sure a reported accuracy is: Wilson's interval for one model, the paired
 * bootstrap for the difference of two on the same samples.
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
 * Stays in [0, 1] and is sensible near both ends.
 *
 * @param correct Right answers, in [0, total].
 * @param total n, samples, ≥ 1.
 * @returns The interval, as a fraction.
 * @throws {RangeError} If a count is out of range.
 */
export function wilsonInterval(correct: number, total: number): Interval {
  // Written so that NaN fails too.
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
  // At 0 and n one end is 0 or 1 but for rounding.
  return {
    low: Math.max(0, (centre - half) / scale),
    high: Math.min(1, (centre + half) / scale),
  };
}

/** A difference of two accuracies with its 95 % interval, all in points. */
export interface AccuracyDifference extends Interval {
  /** Accuracy of the first minus accuracy of the second, in points. */
  readonly difference: number;
}

/** Options of {@linkcode accuracyDifference}. */
export interface BootstrapOptions {
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** Bootstrap samples, an integer ≥ 40. Default 10 000. */
  readonly resamples?: number;
}

/**
 * Difference in accuracy of two evaluations of the same samples, with its 95 %
 * interval by the percentile bootstrap over samples (Efron 1979): the two
 * results of a sample are drawn together, so what makes a sample hard for both
 * cancels.
 *
 * The interval has no width when both are right on the same samples, and is a
 * little too narrow for few (< 50) samples.
 *
 * @param first Complete evaluation, for instance of a schedule.
 * @param second Complete evaluation of the same samples, for instance of the
 * full model; then a negative difference is a loss of accuracy.
 * @param options Random numbers and number of resamples.
 * @returns Difference and interval, in points.
 * @throws {RangeError} If an evaluation is incomplete or empty, the two are not
 * of the same samples, or `resamples` is out of range.
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

/** Per sample 1 where only the first is right, −1 where only the second is. */
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

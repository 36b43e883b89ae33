/**
 * When is a trial as good as the full model? Three answers, each over paired
 * per-sample results, and each given as soon as it is certain.
 *
 * Early stopping is exact: `judge()` on part of the samples says "pass" or
 * "fail" only where the complete run must say the same, whatever the unseen
 * samples hold. It never guesses.
 */

// This module is browser compatible.

import type { Evaluation, SampleResult } from "./evaluate.ts";

/**
 * How much worse than the full model a trial may be. n is the number of
 * samples, and every mean is over all of them.
 *
 * - `"accuracy"`: mean correct ≥ the full model's − ε (paper section 3).
 * - `"loss"`: mean answer loss ≤ the full model's + ε, a smooth alternative
 *   (our decision).
 * - `"bound"` (our decision): an upper confidence bound on the drop, which
 *   also charges for its uncertainty. With p = exp(−loss), the expected
 *   accuracy of sampling an answer, and d the paired drop p_full − p_trial,
 *   the one-sided 95 % bound `mean(d) + 1.645 · s / √n` must be ≤ ε; s is the
 *   sample standard deviation of d. The bound is that of the normal
 *   approximation: optimistic when n is small or drops are rare and large.
 *   Needs n ≥ 2.
 *
 * `epsilon` is ≥ 0, so equal results always pass.
 */
export interface Criterion {
  /** What is compared. */
  readonly kind: "accuracy" | "loss" | "bound";
  /** ε: percentage points for accuracy and bound, nats for loss. */
  readonly epsilon: number;
}

/** The outcome of a trial. */
export type Verdict = "pass" | "fail";

/** 95 % quantile of the standard normal distribution. */
const z95 = 1.6448536269514722;

/** A sample of the full model with the trial's result, once it is there. */
interface Pair {
  readonly full: SampleResult;
  readonly trial: SampleResult | undefined;
}

/**
 * The verdict on a trial, as far as it is certain.
 *
 * @param criterion When the trial passes.
 * @param full Complete evaluation of the unreduced model.
 * @param trial Evaluation of the trial on the same samples, complete or not.
 * @returns "open" while the unseen samples could still decide it; never "open"
 * for a complete trial.
 * @throws {RangeError} If ε is negative, `full` is incomplete or empty, the
 * trial holds a sample that `full` lacks or one twice, or a loss is negative
 * or not finite.
 */
export function judge(
  criterion: Criterion,
  full: Evaluation,
  trial: Evaluation,
): Verdict | "open" {
  const { kind, epsilon } = criterion;
  // Written so that NaN fails too.
  if (!(epsilon >= 0)) {
    throw new RangeError(
      `Cannot judge a trial as epsilon must be >= 0: current value is ${epsilon}`,
    );
  }
  const pairs = pair(full, trial);
  switch (kind) {
    case "accuracy":
      return judgeAccuracy(epsilon, pairs);
    case "loss":
      return judgeLoss(epsilon, pairs);
    case "bound":
      return judgeBound(epsilon, pairs);
    default:
      kind satisfies never;
      throw new TypeError(`Cannot judge a trial by criterion ${kind}`);
  }
}

/**
 * How much worse the trial is than the full model: the mean paired difference
 * over the samples it has seen, positive when worse. For display; the verdict
 * is {@linkcode judge}'s.
 *
 * @param criterion Gives quantity and unit: points for accuracy and bound
 * (there the mean drop without its uncertainty), nats for loss.
 * @param full Complete evaluation of the unreduced model.
 * @param trial Evaluation of the trial on the same samples, complete or not.
 * @returns The mean; NaN when no sample was seen.
 * @throws {RangeError} As {@linkcode judge} for its two evaluations.
 */
export function meanDrop(
  { kind }: Criterion,
  full: Evaluation,
  trial: Evaluation,
): number {
  let sum = 0;
  for (const { full: f, trial: t } of pair(full, trial)) {
    if (t === undefined) continue;
    if (kind === "loss") sum += t.loss - f.loss;
    else if (kind === "bound") sum += 100 * (probability(f) - probability(t));
    else sum += 100 * (Number(f.correct) - Number(t.correct));
  }
  return sum / trial.samples.length;
}

function judgeAccuracy(
  epsilon: number,
  pairs: readonly Pair[],
): Verdict | "open" {
  // In whole samples, so that only this one line rounds: the slack gives
  // ε = .1 of 1000 samples its one sample though .1 is no binary fraction.
  const allowed = Math.floor(epsilon * pairs.length / 100 + 1e-9);
  let lost = 0; // net loss of right answers if the unseen are all right …
  let unseen = 0;
  for (const { full, trial } of pairs) {
    if (trial === undefined) unseen++;
    lost += Number(full.correct) - Number(trial?.correct ?? true);
  }
  if (lost > allowed) return "fail";
  // … and if they are all wrong.
  return lost + unseen <= allowed ? "pass" : "open";
}

function judgeLoss(epsilon: number, pairs: readonly Pair[]): Verdict | "open" {
  // An unseen loss is ≥ 0. The rounded sum of fixed order never falls when a
  // term grows, so this bound is below the complete run's sum as computed too.
  let rise = 0;
  let complete = true;
  for (const { full, trial } of pairs) {
    if (trial === undefined) complete = false;
    rise += (trial?.loss ?? 0) - full.loss;
  }
  if (rise / pairs.length > epsilon) return "fail";
  return complete ? "pass" : "open";
}

function judgeBound(epsilon: number, pairs: readonly Pair[]): Verdict | "open" {
  const n = pairs.length;
  if (n < 2) {
    throw new RangeError(
      `Cannot bound the drop as this needs at least 2 samples: current value is ${n}`,
    );
  }
  // The complete run fails when U = mean + z·s/√n > ε. Each unseen p_trial is
  // ≤ 1, so each unseen drop is ≥ p_full − 1, which bounds the mean from below.
  // (n − 1)·s² is the sum of squared deviations from the mean over all n; over
  // the seen ones alone, and from their own mean, it is no larger. Both lower
  // bounds together give one of U.
  const seen: number[] = [];
  let sum = 0;
  for (const { full, trial } of pairs) {
    const drop = probability(full) - (trial ? probability(trial) : 1);
    sum += drop;
    if (trial !== undefined) seen.push(drop);
  }
  const lowest = 100 * (sum / n + z95 * deviation(seen, n) / Math.sqrt(n));
  if (seen.length === n) return lowest <= epsilon ? "pass" : "fail";
  // The margin is far above the rounding errors of either run.
  return lowest > epsilon + 1e-9 ? "fail" : "open";
}

/** √(Σ (v − mean v)² / (n − 1)), with n of the complete run. */
function deviation(values: readonly number[], n: number): number {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return Math.sqrt(squares / (n - 1));
}

function probability(sample: SampleResult): number {
  return Math.exp(-sample.loss);
}

/** Pairs by index, always in the order of `full`, whatever the trial's. */
function pair(full: Evaluation, trial: Evaluation): Pair[] {
  if (full.samples.length !== full.total || full.total === 0) {
    throw new RangeError(
      `Cannot compare with the full model as its evaluation must be complete and not empty: current value is ${full.samples.length} of ${full.total} samples`,
    );
  }
  const trialByIndex = new Map<number, SampleResult>();
  for (const sample of trial.samples) {
    checkLoss(sample);
    trialByIndex.set(sample.index, sample);
  }
  let paired = 0;
  const pairs = full.samples.map((sample) => {
    checkLoss(sample);
    const result = trialByIndex.get(sample.index);
    if (result !== undefined) paired++;
    return { full: sample, trial: result };
  });
  if (paired !== trial.samples.length) {
    throw new RangeError(
      `Cannot compare with the full model as the trial must hold its samples, each once: ${paired} of ${trial.samples.length} pair up`,
    );
  }
  return pairs;
}

function checkLoss({ index, loss }: SampleResult): void {
  if (!(loss >= 0 && loss < Infinity)) {
    throw new RangeError(
      `Cannot compare sample ${index} as its loss must be finite and >= 0: current value is ${loss}`,
    );
  }
}

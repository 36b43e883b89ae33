/**
 * A criterion decides whether a trial is as good as the full model. There are
 * three criteria. Each one compares paired per-sample results, and each one
 * decides as soon as its verdict is certain.
 *
 * Early stopping is exact and never guesses. On part of the samples `judge()`
 * says "pass" or "fail" only if the complete run must say the same, whatever
 * the unseen samples hold.
 */

// This module is browser compatible.

import type { Evaluation, SampleResult } from "./evaluate.ts";
import { answerProbability } from "./objective.ts";

/**
 * The drop from the full model that a trial may show. n is the number of
 * samples, and every mean is over all of them.
 *
 * - `"accuracy"`: mean correct ≥ the full model's − ε (docs/method.md,
 *   "G-Search").
 * - `"loss"`: mean answer loss ≤ the full model's + ε, a smooth alternative
 *   (our decision).
 * - `"bound"` (our decision): an upper confidence bound on the drop must be ≤
 *   ε. The bound also charges for what the samples cannot show. The expected
 *   accuracy of sampling an answer is p = exp(−loss), and the paired drop is d
 *   = p_full − p_trial. One more sample is added whose answer is lost entirely
 *   (d = 1). Over these n + 1 drops with sample standard deviation s, the
 *   one-sided 95 % bound is `mean(d) + 1.645 · s / √(n + 1)`.
 *
 * The added sample corrects the normal approximation, which alone is far too
 * optimistic where drops are rare and large. If none of n samples drops, the
 * approximation alone says that no sample anywhere drops. With the added sample
 * the bound is 2.65 / (n + 1), close to the rule of three (3 / n). Therefore n
 * samples can show no drop smaller than {@linkcode leastEpsilon}.
 */
export interface Criterion {
  /** Quantity that is compared. */
  readonly kind: "accuracy" | "loss" | "bound";
  /** ε: percentage points for accuracy and bound, nats for loss. */
  readonly epsilon: number;
}

/**
 * The least ε at which a schedule that changes nothing passes.
 *
 * @param kind Quantity that is compared.
 * @param samples n, at least 1.
 * @returns Points for the criterion "bound", 0 for the others.
 */
export function leastEpsilon(kind: Criterion["kind"], samples: number): number {
  return kind === "bound" ? upperBound(0, Array(samples).fill(0), samples) : 0;
}

/**
 * Checks that the samples suffice for a criterion, before any of them runs.
 *
 * @param criterion Criterion that a trial has to meet.
 * @param samples n, at least 1.
 * @throws {RangeError} If ε is negative, or no schedule could pass.
 */
export function checkEpsilon(
  { kind, epsilon }: Criterion,
  samples: number,
): void {
  checkSign(epsilon);
  const least = leastEpsilon(kind, samples);
  if (epsilon < least) {
    // The least ε falls as 1 / (n + 1).
    const needed = Math.ceil(2 * leastEpsilon(kind, 1) / epsilon) - 1;
    throw new RangeError(
      `Cannot search with epsilon ${epsilon} as ${samples} calibration samples can show no drop below ${
        least.toFixed(2)
      } points: give ${
        epsilon > 0 ? `${needed} samples or ` : ""
      }a larger epsilon`,
    );
  }
}

function checkSign(epsilon: number): void {
  // The negated form also rejects NaN.
  if (!(epsilon >= 0)) {
    throw new RangeError(
      `Cannot judge a trial as epsilon must be >= 0: current value is ${epsilon}`,
    );
  }
}

/** The outcome of a trial. */
export type Verdict = "pass" | "fail";

/** 95 % quantile of the standard normal distribution. */
const z95 = 1.6448536269514722;

/**
 * A sample's result with the full model, and with the trial once it is seen.
 */
interface Pair {
  readonly full: SampleResult;
  readonly trial: SampleResult | undefined;
}

/**
 * Judges a trial, as far as the verdict is certain.
 *
 * @param criterion Criterion that the trial has to meet.
 * @param full Complete evaluation of the unreduced model.
 * @param trial Evaluation of the trial on the same samples, complete or not.
 * @returns The verdict, or "open" while the unseen samples could still decide
 * it. A complete trial is never "open".
 * @throws {RangeError} If ε is negative, `full` is incomplete or empty, the
 * trial holds a sample that `full` lacks or holds one twice, or a loss is
 * negative or not finite.
 */
export function judge(
  criterion: Criterion,
  full: Evaluation,
  trial: Evaluation,
): Verdict | "open" {
  const { kind, epsilon } = criterion;
  checkSign(epsilon);
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
 * Mean paired drop of a trial from the full model, over the samples that the
 * trial has seen. It is positive when the trial is worse. It is meant for
 * display; {@linkcode judge} gives the verdict.
 *
 * @param criterion Selects the quantity and its unit: points for accuracy and
 * bound, nats for loss. For the bound it is the mean drop without its
 * uncertainty.
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
    else if (kind === "bound") {
      sum += 100 * (answerProbability(f) - answerProbability(t));
    } else sum += 100 * (Number(f.correct) - Number(t.correct));
  }
  return sum / trial.samples.length;
}

function judgeAccuracy(
  epsilon: number,
  pairs: readonly Pair[],
): Verdict | "open" {
  // The drop is counted in whole samples, so that only this line rounds. One of
  // 1000 samples may be lost at ε = .1. The slack ensures this, because .1 is
  // not a binary fraction.
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
  // An unseen loss is ≥ 0. The order of the sum is fixed, so the rounded sum
  // never falls when a term grows. Therefore the partial sum is a lower bound
  // on the complete run's rounded sum.
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
  // An unseen p_trial is ≤ 1, so an unseen drop is ≥ p_full − 1.
  const seen: number[] = [];
  let sum = 0;
  for (const { full, trial } of pairs) {
    const drop = answerProbability(full) -
      (trial ? answerProbability(trial) : 1);
    sum += drop;
    if (trial !== undefined) seen.push(drop);
  }
  const lowest = upperBound(sum, seen, n);
  if (seen.length === n) return lowest <= epsilon ? "pass" : "fail";
  // The margin far exceeds the rounding errors of both runs.
  return lowest > epsilon + 1e-9 ? "fail" : "open";
}

/**
 * Upper confidence bound of the criterion, in points. If only some of the n
 * drops are known, the result is a lower limit of that bound.
 *
 * Σ (d − mean)² over all drops is at least the same sum over the known drops
 * around their own mean.
 *
 * @param sum Sum of all n drops, or a number below it.
 * @param known The known drops.
 */
function upperBound(sum: number, known: readonly number[], n: number): number {
  const drops = [...known, 1]; // and one answer that is lost entirely
  const mean = drops.reduce((sum, d) => sum + d, 0) / drops.length;
  const squares = drops.reduce((sum, d) => sum + (d - mean) ** 2, 0);
  const count = n + 1;
  const s = Math.sqrt(squares / (count - 1));
  return 100 * ((sum + 1) / count + z95 * s / Math.sqrt(count));
}

/** Pairs the samples by index, in the order of `full`. */
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
  const { length } = trial.samples;
  if (paired !== length || trialByIndex.size !== length) {
    throw new RangeError(
      `Cannot compare with the full model as the trial must hold its samples, each once: ${
        Math.min(paired, trialByIndex.size)
      } of ${length} pair up`,
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

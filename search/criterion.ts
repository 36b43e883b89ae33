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
import { answerProbability } from "./objective.ts";

/**
 * How much worse than the full model a trial may be. n is the number of
 * samples, and every mean is over all of them.
 *
 * - `"accuracy"`: mean correct ≥ the full model's − ε (docs/method.md,
 *   "G-Search").
 * - `"loss"`: mean answer loss ≤ the full model's + ε, a smooth alternative
 *   (our decision).
 * - `"bound"` (our decision): an upper confidence bound on the drop, which
 *   also charges for what the samples cannot show. With p = exp(−loss), the
 *   expected accuracy of sampling an answer, and d the paired drop
 *   p_full − p_trial, one more sample is added whose answer is lost entirely
 *   (d = 1), and the one-sided 95 % bound `mean(d) + 1.645 · s / √(n + 1)` over
 *   the n + 1 drops must be ≤ ε; s is their sample standard deviation.
 *
 * The normal approximation alone is far too optimistic where drops are rare
 * and large: without a single drop among n samples it would say that there is
 * none anywhere. With the added sample it says 2.65 / (n + 1), about what the
 * rule of three does (3 / n), so that n samples can show no drop smaller than
 * {@linkcode leastEpsilon}.
 */
export interface Criterion {
  /** What is compared. */
  readonly kind: "accuracy" | "loss" | "bound";
  /** ε: percentage points for accuracy and bound, nats for loss. */
  readonly epsilon: number;
}

/**
 * The least ε at which a schedule that changes nothing passes.
 *
 * @param kind What is compared.
 * @param samples n, at least 1.
 * @returns Points; 0 but for the criterion bound.
 */
export function leastEpsilon(kind: Criterion["kind"], samples: number): number {
  return kind === "bound" ? upperBound(0, Array(samples).fill(0), samples) : 0;
}

/**
 * Checks that there are samples enough for a criterion, before any is run.
 *
 * @param criterion When a trial passes.
 * @param samples n, at least 1.
 * @throws {RangeError} If ε is negative, or no schedule whatever could pass.
 */
export function checkEpsilon(
  { kind, epsilon }: Criterion,
  samples: number,
): void {
  checkSign(epsilon);
  const least = leastEpsilon(kind, samples);
  if (epsilon < least) {
    // It falls as 1 / (n + 1).
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
  // Written so that NaN fails too.
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
  // Each unseen p_trial is ≤ 1, so each unseen drop is ≥ p_full − 1.
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
  // The margin is far above the rounding errors of either run.
  return lowest > epsilon + 1e-9 ? "fail" : "open";
}

/**
 * The bound of the criterion, in points, or what it is at least as long as
 * only some of the n drops are known.
 *
 * Σ (d − mean)² over all drops is no smaller than over the known ones, from
 * their own mean, alone.
 *
 * @param sum No more than the sum of all n drops.
 * @param known Drops that are known.
 */
function upperBound(sum: number, known: readonly number[], n: number): number {
  const drops = [...known, 1]; // and one answer that is lost entirely
  const mean = drops.reduce((sum, d) => sum + d, 0) / drops.length;
  const squares = drops.reduce((sum, d) => sum + (d - mean) ** 2, 0);
  const count = n + 1;
  const s = Math.sqrt(squares / (count - 1));
  return 100 * ((sum + 1) / count + z95 * s / Math.sqrt(count));
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

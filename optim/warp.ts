/**
 * The Yeo–Johnson transform. A Gaussian process fits values badly if the bad ones
 * are much further from the median than the good ones. It is fitted to transformed
 * values instead, whose distribution is closer to a normal one.
 *
 * With v = (value − center) / scale and 0 ≤ λ ≤ 2
 *
 *     t(v) =  ((1 + v)^λ − 1) / λ,              v ≥ 0   (log(1 + v) if λ = 0)
 *     t(v) = −((1 − v)^(2 − λ) − 1) / (2 − λ),  v < 0   (−log(1 − v) if λ = 2)
 *
 * It is increasing, smooth, and defined for all real values. λ = 1 leaves v as it
 * is, λ = 0 compresses large values, λ = 2 small ones. λ is chosen by maximum
 * likelihood: Yeo and Johnson, "A new family of power transformations
 * to improve normality or symmetry", Biometrika 87, 2000; in Bayesian
 * optimisation: Cowen-Rivers et al., "HEBO: pushing the limits of
 * sample-efficient hyper-parameter optimisation", JAIR 74, 2022. They standardise
 * by mean and standard deviation. We use median and interquartile range (our
 * decision), because a few extreme values determine mean and deviation, and all
 * other values become equal beside them.
 */

// This module is browser compatible.

import { expm1, log, log1p } from "./math/elementary.ts";

/** A transform. */
export interface Warp {
  /** Median of the values it was fitted to. */
  readonly center: number;
  /** Their interquartile range; where that is 0, their range or 1. */
  readonly scale: number;
  /** λ. */
  readonly lambda: number;
}

/** An interquartile range below this share of the range is a rounding error. */
const LEAST_SHARE = 1e-12;

/** The values of λ that are tried: 0, 0.05, …, 2. */
const LAMBDAS = Array.from({ length: 41 }, (_, i) => i / 20);

/**
 * Finds the transform that makes values most normal, by maximum likelihood.
 *
 * @param values Numbers of at most 1e150 in size, at least one. From fewer than
 * three different ones nothing can be learnt: λ is 1.
 * @returns The transform.
 */
export function fitWarp(values: Float64Array): Warp {
  const sorted = values.toSorted();
  const ranked = (share: number): number =>
    sorted[Math.round(share * (sorted.length - 1))];
  const center = ranked(0.5);
  const range = ranked(1) - ranked(0);
  const middle = ranked(0.75) - ranked(0.25);
  const scale = middle > LEAST_SHARE * range ? middle : range || 1;
  let best = { center, scale, lambda: 1 };
  if (new Set(values).size < 3) return best;
  let bestLikelihood = -Infinity;
  for (const lambda of LAMBDAS) {
    const warp = { center, scale, lambda };
    const likelihood = logLikelihood(warp, values);
    if (likelihood > bestLikelihood) {
      best = warp;
      bestLikelihood = likelihood;
    }
  }
  return best;
}

/** The transformed value. */
export function warpValue(warp: Warp, value: number): number {
  const v = (value - warp.center) / warp.scale;
  return v >= 0 ? power(v, warp.lambda) : -power(-v, 2 - warp.lambda);
}

/** The value that was transformed: `warpValue()` backwards. */
export function unwarpValue(warp: Warp, warped: number): number {
  const v = warped >= 0
    ? inversePower(warped, warp.lambda)
    : -inversePower(-warped, 2 - warp.lambda);
  return warp.center + warp.scale * v;
}

/** ((1 + v)^λ − 1) / λ for v ≥ 0, accurate for small v. */
function power(v: number, lambda: number): number {
  if (lambda === 0) return log1p(v);
  return expm1(lambda * log1p(v)) / lambda;
}

/** v for ((1 + v)^λ − 1) / λ. */
function inversePower(t: number, lambda: number): number {
  if (lambda === 0) return expm1(t);
  return expm1(log1p(lambda * t) / lambda);
}

/**
 * Log likelihood of normal transformed values, their mean and variance being
 * the best, without what does not depend on λ (Yeo and Johnson, section 3):
 * −n/2 log variance + (λ − 1) Σ sign(v) log(1 + |v|).
 */
function logLikelihood(warp: Warp, values: Float64Array): number {
  const warped = values.map((value) => warpValue(warp, value));
  const mean = average(warped, (t) => t);
  const variance = average(warped, (t) => (t - mean) * (t - mean));
  const stretch = average(values, (value) => {
    const v = (value - warp.center) / warp.scale;
    return Math.sign(v) * log1p(Math.abs(v));
  });
  return values.length *
    (-0.5 * log(variance) + (warp.lambda - 1) * stretch);
}

function average(values: Float64Array, of: (value: number) => number): number {
  return values.reduce((sum, value) => sum + of(value) / values.length, 0);
}

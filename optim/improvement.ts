/**
 * The improvement of a normal random number over a threshold, for numbers so
 * unlikely that no floating-point number holds it.
 *
 * If f is normal with mean μ and deviation σ, then E max(f − best, 0) = σ h(z)
 * with z = (μ − best) / σ and h(z) = φ(z) + z Φ(z) (Jones et al. 1998, 15).
 * Below z = −38 h is zero in floating point, and long before that the two terms
 * nearly cancel. Ament et al. 2023 ("Unexpected improvements to expected
 * improvement") therefore maximise its logarithm. Ours has a shorter formula:
 * with the continued fraction of the Mills ratio (normal.ts), for t = −z > 0,
 *
 *     h(−t) = φ(t) (1 − t / (t + c)) = φ(t) c / (t + c)
 */

// This module is browser compatible.

import { millsFraction, normalCdf, normalLogPdf, normalPdf } from "./normal.ts";

/** log h(z), and the two ratios that its gradients are made of. */
export interface LogImprovement {
  /** log h(z), for z from −1e100 to 1e100. */
  readonly value: number;
  /** Φ(z) / h(z): its derivative in z; with z = (μ − best)/σ, σ times that in μ. */
  readonly probability: number;
  /** φ(z) / h(z): σ times the derivative of log (σ h) in σ. */
  readonly density: number;
}

/** Below this the continued fraction is used, as in normal.ts. */
const TAIL = -1.5;

/**
 * log h(z) = log (φ(z) + z Φ(z)), to about 1e-15 of relative accuracy.
 *
 * @param z (mean − threshold) / deviation.
 * @returns The value and its ratios.
 */
export function logImprovement(z: number): LogImprovement {
  if (z < TAIL) {
    const c = millsFraction(-z);
    const value = normalLogPdf(z) + Math.log(c / (c - z));
    return { value, probability: 1 / c, density: (c - z) / c };
  }
  const [density, probability] = [normalPdf(z), normalCdf(z)];
  const h = density + z * probability;
  return {
    value: Math.log(h),
    probability: probability / h,
    density: density / h,
  };
}

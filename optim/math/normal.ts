/**
 * The standard normal distribution, with relative accuracy far into both tails,
 * and the expected improvement of a normal number over a threshold.
 *
 * Below −1.5 everything follows from Laplace's continued fraction of the Mills
 * ratio (Abramowitz & Stegun 26.2.14): for t > 0
 *
 *     Φ(−t) / φ(t) = 1 / (t + 1/(t + 2/(t + 3/(t + …)))) = 1 / (t + c(t))
 *
 * There is no difference of nearly equal numbers, so no digits are lost however
 * large t is.
 */

// This module is browser compatible.

import { exp, log, log1p } from "./elementary.ts";
import type { Prng } from "./random.ts";

/** Below this the continued fraction is used, above it the power series. */
const TAIL = -1.5;

const SQRT_2_PI = Math.sqrt(2 * Math.PI);
const HALF_LOG_2_PI = 0.5 * log(2 * Math.PI);

/** φ(x) = exp(−x²/2) / √(2π). */
export function normalPdf(x: number): number {
  return exp(-0.5 * x * x) / SQRT_2_PI;
}

/** log φ(x) = −x²/2 − ½ log 2π, finite for |x| < 1e154. */
export function normalLogPdf(x: number): number {
  return -0.5 * x * x - HALF_LOG_2_PI;
}

/** Φ(x) = ∫ φ from −∞ to x. */
export function normalCdf(x: number): number {
  if (x < TAIL) return normalPdf(x) / (-x + millsFraction(-x));
  if (x > -TAIL) return 1 - normalCdf(-x);
  return 0.5 + normalPdf(x) * oddSeries(x);
}

/** log Φ(x), finite for |x| < 1e154. */
export function normalLogCdf(x: number): number {
  if (x < TAIL) return normalLogPdf(x) - log(-x + millsFraction(-x));
  // Φ is near 1 here, and log Φ is small: 1 − Φ(−x) would round it away.
  if (x > -TAIL) return log1p(-normalCdf(-x));
  return log(normalCdf(x));
}

/**
 * φ(x) / Φ(x), which is the slope of log Φ.
 *
 * It tends to −x on the left and to 0 on the right.
 */
export function normalHazard(x: number): number {
  if (x < TAIL) return -x + millsFraction(-x);
  return normalPdf(x) / normalCdf(x);
}

/**
 * c(t) = 1/(t + 2/(t + 3/(t + …))), the tail of the continued fraction of the
 * Mills ratio, for t ≥ 1.5; near 1/t when t is large.
 *
 * @param t Minus the argument of Φ.
 * @returns c, to full precision.
 */
export function millsFraction(t: number): number {
  // The error falls like exp(−2t √terms): below 1e-17 with this many.
  const terms = 8 + Math.ceil(400 / (t * t));
  let fraction = t;
  for (let k = terms; k >= 2; k--) fraction = t + k / fraction;
  return 1 / fraction;
}

/**
 * (Φ(x) − ½) / φ(x) = x + x³/3 + x⁵/(3·5) + … (A&S 26.2.11), all terms of one
 * sign; for |x| ≤ 1.5.
 */
function oddSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
    term *= x * x / k;
    sum += term;
  }
  return sum;
}

/**
 * A standard normal number (Box & Muller 1958), from two uniform ones.
 *
 * @param random Source of uniform numbers in [0, 1).
 * @returns The number.
 */
export function drawNormal(random: Prng): number {
  // 1 − u is in (0, 1], of which there is a logarithm.
  const radius = Math.sqrt(-2 * log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

/** log h(z), and two ratios that give its gradients. */
export interface LogImprovement {
  /** log h(z), for z from −1e100 to 1e100. */
  readonly value: number;
  /** Φ(z) / h(z): its derivative in z; with z = (μ − best)/σ, σ times that in μ. */
  readonly probability: number;
  /** φ(z) / h(z): σ times the derivative of log (σ h) in σ. */
  readonly density: number;
}

/**
 * log h(z) with h(z) = φ(z) + z Φ(z), to about 1e-15 of relative accuracy.
 *
 * If f is normal with mean μ and deviation σ, the expected improvement
 * E max(f − best, 0) is σ h(z) with z = (μ − best) / σ (Jones et al. 1998, 15).
 * Below z = −38 h underflows, and long before that its two terms nearly cancel.
 * So its logarithm is maximised (Ament et al. 2023, "Unexpected improvements to
 * expected improvement"). Our formula is shorter than theirs: with the continued
 * fraction c of the Mills ratio, for t = −z > 0,
 *
 *     h(−t) = φ(t) (1 − t / (t + c)) = φ(t) c / (t + c)
 *
 * @param z (mean − threshold) / deviation.
 * @returns The value and its ratios.
 */
export function logImprovement(z: number): LogImprovement {
  if (z < TAIL) {
    const c = millsFraction(-z);
    const value = normalLogPdf(z) + log(c / (c - z));
    return { value, probability: 1 / c, density: (c - z) / c };
  }
  const [density, probability] = [normalPdf(z), normalCdf(z)];
  const h = density + z * probability;
  return {
    value: log(h),
    probability: probability / h,
    density: density / h,
  };
}

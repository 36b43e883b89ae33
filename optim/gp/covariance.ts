/**
 * Covariance functions of the values at two points.
 *
 * All of them depend on the points through r² = Σ_k (a_k − b_k)² / ℓ_k² only,
 * with a length scale ℓ_k for each dimension (Rasmussen & Williams 2006,
 * "R&W", section 5.1), and are 1 at r = 0. Both gradients, in the length scales
 * and in a point, come from one number per pair, the slope dk/d(r²):
 *
 *     ∂k/∂(log ℓ_k) = −2 · slope · (a_k − b_k)² / ℓ_k²
 *     ∂k/∂a_k       =  2 · slope · (a_k − b_k)  / ℓ_k²
 *
 * Points are rows of a row-major array; d, their length, is that of the length
 * scales.
 */

// This module is browser compatible.

import { exp } from "../math/elementary.ts";

/**
 * The covariance functions, by how rough the functions are that they describe:
 * samples are continuous (Matérn 1/2), once (3/2), twice (5/2) or infinitely
 * often differentiable (squared exponential).
 */
export type CovarianceName =
  | "matern12"
  | "matern32"
  | "matern52"
  | "squaredExponential";

/**
 * Replaces each squared distance by the covariance there.
 *
 * - Matérn 1/2: e^(−r) (R&W 4.18 for ν = 1/2, with r in length scales)
 * - Matérn 3/2: (1 + √3 r) e^(−√3 r) (R&W 4.17)
 * - Matérn 5/2: (1 + √5 r + 5r²/3) e^(−√5 r) (R&W 4.17)
 * - squared exponential: e^(−r²/2) (R&W 4.9)
 *
 * @param name The covariance function.
 * @param values r² of any number of pairs; overwritten with k.
 * @param slopes Where given, filled with dk/d(r²), as many. That of Matérn 1/2
 * is infinite at r = 0, where 0 stands in: it is only ever multiplied by a
 * difference that is 0 there.
 * @param from First element to replace. Default 0.
 * @param to End of the elements to replace. Default all.
 */
export function applyCovariance(
  name: CovarianceName,
  values: Float64Array,
  slopes: Float64Array | null = null,
  from: number = 0,
  to: number = values.length,
): void {
  // The switch is outside of the loops, which are the hot ones of a fit.
  switch (name) {
    case "matern12":
      for (let i = from; i < to; i++) {
        const r = Math.sqrt(values[i]);
        const decay = exp(-r);
        values[i] = decay;
        if (slopes !== null) slopes[i] = r === 0 ? 0 : -decay / (2 * r);
      }
      return;
    case "matern32":
      for (let i = from; i < to; i++) {
        const u = Math.sqrt(3 * values[i]);
        const decay = exp(-u);
        values[i] = (1 + u) * decay;
        if (slopes !== null) slopes[i] = -1.5 * decay;
      }
      return;
    case "matern52":
      for (let i = from; i < to; i++) {
        const u = Math.sqrt(5 * values[i]);
        const decay = exp(-u);
        values[i] = (1 + u + u * u / 3) * decay;
        if (slopes !== null) slopes[i] = (-5 / 6) * (1 + u) * decay;
      }
      return;
    case "squaredExponential":
      for (let i = from; i < to; i++) {
        const k = exp(-0.5 * values[i]);
        values[i] = k;
        if (slopes !== null) slopes[i] = -0.5 * k;
      }
      return;
    default:
      throw new TypeError(
        `Cannot find a covariance function of this name: current value is ${name satisfies never}`,
      );
  }
}

/**
 * Points in units of the length scales: x_k / ℓ_k.
 *
 * @param points Shape [n, d].
 * @param lengthScales Length d.
 * @param scaled Result, shape [n, d].
 */
export function scalePoints(
  points: Float64Array,
  lengthScales: Float64Array,
  scaled: Float64Array,
): void {
  const d = lengthScales.length;
  for (let i = 0; i < points.length; i += d) {
    for (let k = 0; k < d; k++) scaled[i + k] = points[i + k] / lengthScales[k];
  }
}

/**
 * Squared distances r² of one scaled point to n others.
 *
 * @param a The point, d numbers from `aAt` on.
 * @param b The others, shape [n, d].
 * @param d Dimensions.
 * @param n How many of the others.
 * @param result n numbers from `at` on.
 */
export function squaredDistances(
  a: Float64Array,
  aAt: number,
  b: Float64Array,
  d: number,
  n: number,
  result: Float64Array,
  at: number,
): void {
  let q = 0;
  for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let k = 0; k < d; k++, q++) {
      const difference = a[aAt + k] - b[q];
      sum += difference * difference;
    }
    result[at + j] = sum;
  }
}

/**
 * Covariances of each of one list of points with each of another.
 *
 * @param name The covariance function.
 * @param a Shape [m, d].
 * @param b Shape [n, d].
 * @param lengthScales Length d.
 * @returns Shape [m, n].
 */
export function crossCovariance(
  name: CovarianceName,
  a: Float64Array,
  b: Float64Array,
  lengthScales: Float64Array,
): Float64Array {
  const d = lengthScales.length;
  const [m, n] = [a.length / d, b.length / d];
  const scaledA = new Float64Array(a.length);
  const scaledB = new Float64Array(b.length);
  scalePoints(a, lengthScales, scaledA);
  scalePoints(b, lengthScales, scaledB);
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    squaredDistances(scaledA, i * d, scaledB, d, n, result, i * n);
  }
  applyCovariance(name, result);
  return result;
}

/**
 * The lower triangle of the covariance matrix of n points with themselves, and
 * of its slopes dk/d(r²).
 *
 * @param name The covariance function.
 * @param scaled Points in units of the length scales, shape [n, d].
 * @param d Dimensions.
 * @param matrix Result, shape [n, n]; its upper triangle is left as it is.
 * @param slopes Likewise for the slopes.
 */
export function covarianceTriangle(
  name: CovarianceName,
  scaled: Float64Array,
  d: number,
  matrix: Float64Array,
  slopes: Float64Array | null,
): void {
  const n = scaled.length / d;
  for (let i = 0; i < n; i++) {
    squaredDistances(scaled, i * d, scaled, d, i + 1, matrix, i * n);
    applyCovariance(name, matrix, slopes, i * n, i * n + i + 1);
  }
}

/**
 * Gradient of a function of the covariance matrix K in the log length scales:
 * Σ_ij W_ij ∂K_ij/∂(log ℓ_k) for each k, where W is its gradient in K, symmetric.
 *
 * @param weights W, shape [n, n]; only the lower triangle is read.
 * @param slopes dk/d(r²) as `covarianceTriangle()` leaves them.
 * @param scaled Points in units of the length scales, shape [n, d].
 * @param result Length d.
 */
export function lengthScaleGradient(
  weights: Float64Array,
  slopes: Float64Array,
  scaled: Float64Array,
  result: Float64Array,
): void {
  const d = result.length;
  const n = scaled.length / d;
  result.fill(0);
  for (let i = 0; i < n; i++) {
    // The diagonal adds nothing: the distance of a point to itself is always 0.
    let q = 0;
    for (let j = 0; j < i; j++) {
      // −2 from the formula, 2 for the two triangles.
      const factor = -4 * weights[i * n + j] * slopes[i * n + j];
      for (let k = 0; k < d; k++, q++) {
        const difference = scaled[i * d + k] - scaled[q];
        result[k] += factor * difference * difference;
      }
    }
  }
}

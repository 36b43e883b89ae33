/**
 * Log posterior density of hyper-parameters, and its gradient.
 *
 * It is the log marginal likelihood (Rasmussen & Williams 2006, "R&W", 5.8)
 * plus the logarithms of the priors. The constant mean has a flat prior. Its best
 * value has a closed form, so the search does not include it.
 */

// This module is browser compatible.

import { exp, log } from "../math/elementary.ts";
import {
  type CovarianceName,
  covarianceTriangle,
  lengthScaleGradient,
  scalePoints,
} from "./covariance.ts";
import type { HyperParameters } from "./gp.ts";
import {
  factorInPlace,
  inverseFromTransposed,
  invertTransposed,
  solveLower,
  solveLowerTransposed,
} from "../math/linalg.ts";
import type { Standardised } from "./observations.ts";
import { dot } from "../math/products.ts";

/** A log-normal prior of a positive number, cut off below. */
export interface LogNormalPrior {
  /** Mean of the logarithm. */
  readonly location: number;
  /** Standard deviation of the logarithm. */
  readonly scale: number;
  /** The least value allowed. */
  readonly least: number;
}

/** The priors of a Gaussian process's hyper-parameters. */
export interface Priors {
  /** The prior of each length scale. */
  readonly lengthScale: LogNormalPrior;
  /** The prior of the noise variance, if it is learnt. */
  readonly noise: LogNormalPrior;
  /** The prior of the output scale; null fixes it at 1. */
  readonly outputScale: LogNormalPrior | null;
}

/**
 * The log density of a log-normal prior at e^t, as a density of the number
 * itself: −t − log(τ √(2π)) − (t − μ)² / (2τ²).
 *
 * @param prior μ = location, τ = scale.
 * @param t Logarithm of the number.
 * @returns The log density.
 */
export function logPrior(
  { location, scale }: LogNormalPrior,
  t: number,
): number {
  const z = (t - location) / scale;
  return -t - log(scale * Math.sqrt(2 * Math.PI)) - 0.5 * z * z;
}

/** Its derivative in t. */
function logPriorSlope({ location, scale }: LogNormalPrior, t: number): number {
  return -1 - (t - location) / (scale * scale);
}

/**
 * The log posterior of a fixed set of observations, as a function of the
 * logarithms θ of the hyper-parameters: d length scales, then the noise
 * variance where it is learnt, then the output scale where it is.
 *
 * It holds three n × n buffers, so that no evaluation allocates one.
 */
export class LogPosterior {
  /** The prior of each element of θ. */
  readonly priors: readonly LogNormalPrior[];
  readonly #data: Standardised;
  readonly #n: number;
  readonly #d: number;
  readonly #covariance: CovarianceName;
  /** Where θ has the noise variance and the output scale; −1: it has not. */
  readonly #noiseAt: number;
  readonly #outputScaleAt: number;
  readonly #lengthScales: Float64Array;
  readonly #scaled: Float64Array;
  readonly #noise: Float64Array;
  readonly #ones: Float64Array;
  readonly #alpha: Float64Array;
  readonly #matrix: Float64Array;
  readonly #slopes: Float64Array;
  readonly #inverse: Float64Array;
  #mean = 0;

  /**
   * Makes the function.
   *
   * @param data The observations.
   * @param d Input dimensions.
   * @param covariance k.
   * @param priors The priors; that of the noise is used where it is learnt.
   */
  constructor(
    data: Standardised,
    d: number,
    covariance: CovarianceName,
    { lengthScale, noise, outputScale }: Priors,
  ) {
    const n = data.y.length;
    const priors = Array<LogNormalPrior>(d).fill(lengthScale);
    this.#noiseAt = data.noise === null ? priors.push(noise) - 1 : -1;
    this.#outputScaleAt = outputScale === null
      ? -1
      : priors.push(outputScale) - 1;
    this.priors = priors;
    this.#data = data;
    this.#n = n;
    this.#d = d;
    this.#covariance = covariance;
    this.#lengthScales = new Float64Array(d);
    this.#scaled = new Float64Array(n * d);
    this.#noise = new Float64Array(n);
    this.#ones = new Float64Array(n);
    this.#alpha = new Float64Array(n);
    this.#matrix = new Float64Array(n * n);
    this.#slopes = new Float64Array(n * n);
    this.#inverse = new Float64Array(n * n);
  }

  /**
   * The log posterior.
   *
   * @param theta θ.
   * @param gradient Filled with ∂/∂θ where given, as long as θ.
   * @returns The value, −∞ where the covariance matrix has no Cholesky factor.
   */
  evaluate(theta: Float64Array, gradient: Float64Array | null): number {
    const n = this.#n;
    this.#fillMatrix(theta, gradient !== null);
    if (factorInPlace(this.#matrix, n) < n) return -Infinity;

    // With a = L⁻¹ 1 and b = L⁻¹ y the best mean is aᵀb / aᵀa (R&W 2.42, flat
    // prior). There the derivative in the mean is 0, so that the others are as
    // if it were constant.
    const alpha = this.#alpha;
    const ones = this.#ones.fill(1);
    alpha.set(this.#data.y);
    solveLower(this.#matrix, n, ones);
    solveLower(this.#matrix, n, alpha);
    this.#mean = dot(ones, 0, alpha, 0, n) / dot(ones, 0, ones, 0, n);
    for (let i = 0; i < n; i++) alpha[i] -= this.#mean * ones[i];

    // R&W 5.8, with log |K| = 2 Σ log L_ii.
    const fit = dot(alpha, 0, alpha, 0, n);
    let value = -0.5 * fit - 0.5 * n * log(2 * Math.PI);
    for (let i = 0; i < n; i++) value -= log(this.#matrix[i * n + i]);
    this.priors.forEach((prior, i) => value += logPrior(prior, theta[i]));
    if (gradient !== null) this.#fillGradient(theta, fit, gradient);
    return value;
  }

  /** K = s·k(X, X) + noise, lower triangle; and the slopes of k. */
  #fillMatrix(theta: Float64Array, withSlopes: boolean): void {
    const n = this.#n;
    const matrix = this.#matrix;
    for (let k = 0; k < this.#d; k++) {
      this.#lengthScales[k] = exp(theta[k]);
    }
    scalePoints(this.#data.inputs, this.#lengthScales, this.#scaled);
    covarianceTriangle(
      this.#covariance,
      this.#scaled,
      this.#d,
      matrix,
      withSlopes ? this.#slopes : null,
    );
    const outputScale = this.#outputScale(theta);
    if (outputScale !== 1) {
      for (let i = 0; i < matrix.length; i++) matrix[i] *= outputScale;
    }
    if (this.#data.noise !== null) this.#noise.set(this.#data.noise);
    else this.#noise.fill(exp(theta[this.#noiseAt]));
    for (let i = 0; i < n; i++) matrix[i * n + i] += this.#noise[i];
  }

  /**
   * ∂/∂θ_j = ½ tr((α αᵀ − K⁻¹) ∂K/∂θ_j) (R&W 5.9) plus the prior's slope.
   *
   * @param fit (y − m)ᵀ α.
   */
  #fillGradient(
    theta: Float64Array,
    fit: number,
    gradient: Float64Array,
  ): void {
    const n = this.#n;
    const alpha = this.#alpha;
    solveLowerTransposed(this.#matrix, n, alpha);
    invertTransposed(this.#matrix, n, this.#inverse);
    // The factor has served: its place takes K⁻¹, and then α αᵀ − K⁻¹.
    const weights = this.#matrix;
    inverseFromTransposed(this.#inverse, n, weights);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        weights[i * n + j] = alpha[i] * alpha[j] - weights[i * n + j];
      }
    }

    // ∂K/∂(log noise) = noise · I; ∂K/∂(log s) = K − noise · I.
    let noisePart = 0;
    for (let i = 0; i < n; i++) {
      noisePart += this.#noise[i] * weights[i * n + i];
    }
    const lengthScalePart = gradient.subarray(0, this.#d);
    lengthScaleGradient(weights, this.#slopes, this.#scaled, lengthScalePart);
    const outputScale = this.#outputScale(theta);
    for (let k = 0; k < this.#d; k++) gradient[k] *= 0.5 * outputScale;
    if (this.#noiseAt >= 0) gradient[this.#noiseAt] = 0.5 * noisePart;
    if (this.#outputScaleAt >= 0) {
      gradient[this.#outputScaleAt] = 0.5 * (fit - n - noisePart);
    }
    this.priors.forEach((prior, i) =>
      gradient[i] += logPriorSlope(prior, theta[i])
    );
  }

  #outputScale(theta: Float64Array): number {
    return this.#outputScaleAt < 0 ? 1 : exp(theta[this.#outputScaleAt]);
  }

  /** θ as hyper-parameters, with the mean that is best for it. */
  hyperParameters(theta: Float64Array): HyperParameters {
    this.evaluate(theta, null);
    return {
      lengthScales: theta.slice(0, this.#d).map(exp),
      outputScale: this.#outputScale(theta),
      noise: this.#noiseAt < 0 ? 0 : exp(theta[this.#noiseAt]),
      mean: this.#mean,
    };
  }

  /** θ of given hyper-parameters. */
  theta({ lengthScales, outputScale, noise }: HyperParameters): Float64Array {
    const theta = new Float64Array(this.priors.length);
    theta.set(lengthScales.map(log));
    if (this.#noiseAt >= 0) theta[this.#noiseAt] = log(noise);
    if (this.#outputScaleAt >= 0) {
      theta[this.#outputScaleAt] = log(outputScale);
    }
    return theta;
  }
}

/**
 * Gaussian-process regression (Rasmussen & Williams 2006, "R&W", chapter 2): a
 * model from observations and hyper-parameters, its predictions at one point and
 * at several, samples, and leave-one-out diagnostics.
 *
 * The model is y = f(x) + ε with f ~ GP(m, s·k) and ε ~ N(0, σ²), where m is a
 * constant, s the output scale and k a covariance function of covariance.ts.
 * Inputs are in the unit cube. Outputs are standardised inside; observations and
 * predictions are in the unit of the outputs. fit.ts finds the hyper-parameters.
 */

// This module is browser compatible.

import { log } from "../math/elementary.ts";
import {
  applyCovariance,
  type CovarianceName,
  covarianceTriangle,
  crossCovariance,
  scalePoints,
  squaredDistances,
} from "./covariance.ts";
import {
  appendRow,
  choleskyWithJitter,
  invertTransposed,
  JITTER_LADDER,
  solveLower,
  solveLowerTransposed,
} from "../math/linalg.ts";
import { drawNormal, normalLogPdf } from "../math/normal.ts";
import {
  checkPoints,
  type Observations,
  standardise,
  standardiseNoise,
} from "./observations.ts";
import { dot } from "../math/products.ts";
import type { Prng } from "../math/random.ts";

/** Hyper-parameters of a Gaussian process, for standardised outputs. */
export interface HyperParameters {
  /** ℓ, length scale of each input dimension in units of the cube, length d. */
  readonly lengthScales: Float64Array;
  /** s, variance of f before any observation. */
  readonly outputScale: number;
  /** σ², learnt noise variance; 0 where the noise is known. */
  readonly noise: number;
  /** m, the constant mean. */
  readonly mean: number;
}

/** A Gaussian process conditioned on observations; never changed in place. */
export interface GaussianProcess {
  /** k. */
  readonly covariance: CovarianceName;
  /** ℓ, s, σ² and m. */
  readonly hyperParameters: HyperParameters;
  /** d, input dimensions. */
  readonly dimensions: number;
  /** n, observations. */
  readonly size: number;
  /** Inputs in the unit cube, shape [n, d]. */
  readonly inputs: Float64Array;
  /** Outputs as told, length n. */
  readonly outputs: Float64Array;
  /** Standardised output = (output − outputMean) / outputDeviation. */
  readonly outputMean: number;
  /** Standard deviation of the outputs; 1 where all are equal. */
  readonly outputDeviation: number;
  /** Noise variance of each standardised output, learnt or known, length n. */
  readonly noiseVariances: Float64Array;
  /** Added to the noise to make a Cholesky factor exist; usually 0. */
  readonly jitter: number;
  /** L, the Cholesky factor of K = s·k(X, X) + noise, shape [n, n]. */
  readonly factor: Float64Array;
  /** α = K⁻¹ (y − m), length n. */
  readonly weights: Float64Array;
}

/**
 * Prediction of f(x), the output without noise, in the unit of the outputs.
 */
export interface Prediction {
  /** E f(x). */
  readonly mean: number;
  /** Var f(x), positive. */
  readonly variance: number;
  /** ∂ mean / ∂x, length d. */
  readonly meanGradient: Float64Array;
  /** ∂ variance / ∂x, length d. */
  readonly varianceGradient: Float64Array;
}

/**
 * Predicts at a point x of length d. It returns the same object every time, so
 * that nothing is allocated. The gradients are filled only if asked for.
 */
export type Predictor = (x: Float64Array, withGradient: boolean) => Prediction;

/**
 * The least variance of a prediction, as a share of the output scale. Without
 * noise the variance at an observation is a rounding error and may be negative.
 */
export const LEAST_VARIANCE = 1e-14;

/**
 * The Gaussian process of given hyper-parameters after given observations.
 *
 * @param observations What was observed.
 * @param covariance k.
 * @param hyperParameters ℓ, s, σ² and m, for standardised outputs.
 * @returns The process.
 * @throws {TypeError} If the observations do not fit together.
 * @throws {RangeError} If a number is not finite, or the covariance matrix is
 * not positive definite even with jitter.
 */
export function createGaussianProcess(
  observations: Observations,
  covariance: CovarianceName,
  hyperParameters: HyperParameters,
): GaussianProcess {
  const d = hyperParameters.lengthScales.length;
  const data = standardise(observations, d);
  const n = data.y.length;
  const { inputs, outputs } = data;
  const noiseVariances = data.noise ??
    new Float64Array(n).fill(hyperParameters.noise);
  const matrix = outputCovariance(
    covariance,
    inputs,
    hyperParameters,
    noiseVariances,
  );
  const { factor, jitter } = choleskyWithJitter(matrix, n);
  return {
    covariance,
    hyperParameters,
    dimensions: d,
    size: n,
    inputs,
    outputs,
    outputMean: data.mean,
    outputDeviation: data.deviation,
    noiseVariances,
    jitter,
    factor,
    weights: findWeights(factor, data.y, hyperParameters.mean),
  };
}

/** K = s·k(X, X) + noise, lower triangle. */
function outputCovariance(
  covariance: CovarianceName,
  inputs: Float64Array,
  { lengthScales, outputScale }: HyperParameters,
  noiseVariances: Float64Array,
): Float64Array {
  const n = noiseVariances.length;
  const scaled = new Float64Array(inputs.length);
  scalePoints(inputs, lengthScales, scaled);
  const matrix = new Float64Array(n * n);
  covarianceTriangle(covariance, scaled, lengthScales.length, matrix, null);
  for (let i = 0; i < matrix.length; i++) matrix[i] *= outputScale;
  for (let i = 0; i < n; i++) matrix[i * n + i] += noiseVariances[i];
  return matrix;
}

/** α = K⁻¹ (y − m) (R&W algorithm 2.1, line 3). */
function findWeights(
  factor: Float64Array,
  y: Float64Array,
  mean: number,
): Float64Array {
  const weights = y.map((value) => value - mean);
  solveLower(factor, y.length, weights);
  solveLowerTransposed(factor, y.length, weights);
  return weights;
}

/**
 * The process after one more observation, in O(n²). Hyper-parameters and
 * standardisation do not change.
 *
 * @param gp The process.
 * @param x Input in the unit cube, length d.
 * @param output Its output.
 * @param noiseVariance Its noise variance, in squared units of the outputs.
 * Default the learnt one; if none was learnt, the least known one.
 * @returns A new process of n + 1 observations.
 * @throws {RangeError} If a coordinate or the output is not finite.
 */
export function condition(
  gp: GaussianProcess,
  x: Float64Array,
  output: number,
  noiseVariance?: number,
): GaussianProcess {
  checkPoints(x, gp.dimensions);
  if (!Number.isFinite(output)) {
    throw new RangeError(
      `Cannot condition on an output as it must be finite: current value is ${output}`,
    );
  }
  const { size: n, hyperParameters, outputMean, outputDeviation } = gp;
  const noise = noiseVariance === undefined && hyperParameters.noise > 0
    ? hyperParameters.noise
    : standardiseNoise(noiseVariance ?? 0, outputDeviation);
  const row = new Float64Array(n + 1);
  const { lengthScales, outputScale, mean } = hyperParameters;
  row.set(crossCovariance(gp.covariance, x, gp.inputs, lengthScales));
  for (let i = 0; i < n; i++) row[i] *= outputScale;
  row[n] = outputScale + noise + gp.jitter;
  const factor = appendRow(gp.factor, n, row);
  const outputs = append(gp.outputs, [output]);
  const y = outputs.map((value) => (value - outputMean) / outputDeviation);
  return {
    ...gp,
    size: n + 1,
    inputs: append(gp.inputs, x),
    outputs,
    noiseVariances: append(gp.noiseVariances, [noise]),
    factor,
    weights: findWeights(factor, y, mean),
  };
}

function append(values: Float64Array, more: ArrayLike<number>): Float64Array {
  const all = new Float64Array(values.length + more.length);
  all.set(values);
  all.set(more, values.length);
  return all;
}

/**
 * Makes a predictor (R&W 2.25 and 2.26).
 *
 * With v = L⁻¹ s·k(X, x): mean = m + k(X, x)ᵀ s α and variance = s − vᵀ v; the
 * gradients follow from those of the covariance (covariance.ts).
 *
 * @param gp The process.
 * @returns Its predictor.
 */
export function createPredictor(gp: GaussianProcess): Predictor {
  const { covariance, size: n, dimensions: d, factor, weights } = gp;
  const { lengthScales, outputScale, mean } = gp.hyperParameters;
  const { outputMean, outputDeviation } = gp;
  const scaled = new Float64Array(n * d);
  scalePoints(gp.inputs, lengthScales, scaled);
  const point = new Float64Array(d);
  const k = new Float64Array(n);
  const slopes = new Float64Array(n);
  const v = new Float64Array(n);
  const prediction = {
    mean: 0,
    variance: 0,
    meanGradient: new Float64Array(d),
    varianceGradient: new Float64Array(d),
  };

  function fillGradients(): void {
    const { meanGradient, varianceGradient } = prediction;
    meanGradient.fill(0);
    varianceGradient.fill(0);
    // v becomes K⁻¹ s·k: the variance falls by twice that for each unit of s·k.
    solveLowerTransposed(factor, n, v);
    let q = 0;
    for (let i = 0; i < n; i++) {
      const slope = 2 * outputScale * slopes[i];
      for (let j = 0; j < d; j++, q++) {
        const change = slope * (point[j] - scaled[q]);
        meanGradient[j] += weights[i] * change;
        varianceGradient[j] -= 2 * v[i] * change;
      }
    }
    for (let j = 0; j < d; j++) {
      meanGradient[j] *= outputDeviation / lengthScales[j];
      varianceGradient[j] *= outputDeviation * outputDeviation /
        lengthScales[j];
    }
  }

  return (x, withGradient) => {
    checkPoints(x, d);
    scalePoints(x, lengthScales, point);
    squaredDistances(point, 0, scaled, d, n, k, 0);
    applyCovariance(covariance, k, withGradient ? slopes : null);
    for (let i = 0; i < n; i++) v[i] = outputScale * k[i];
    const shift = dot(v, 0, weights, 0, n);
    solveLower(factor, n, v);
    const variance = Math.max(
      outputScale - dot(v, 0, v, 0, n),
      LEAST_VARIANCE * outputScale,
    );
    prediction.mean = outputMean + outputDeviation * (mean + shift);
    prediction.variance = outputDeviation * outputDeviation * variance;
    if (withGradient) fillGradients();
    return prediction;
  };
}

/** Values of f at m points, without noise and in the unit of the outputs. */
export interface JointPrediction {
  /** Length m. */
  readonly mean: Float64Array;
  /** Shape [m, m]. */
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance of f at several points (R&W 2.23 and 2.24).
 *
 * @param gp The process.
 * @param points Shape [m, d].
 * @returns The joint normal distribution of the m values.
 */
export function predictJointly(
  gp: GaussianProcess,
  points: Float64Array,
): JointPrediction {
  const { mean, covariance } = standardisedPrediction(gp, points);
  const { outputMean, outputDeviation } = gp;
  return {
    mean: mean.map((value) => outputMean + outputDeviation * value),
    covariance: covariance.map((value) =>
      outputDeviation * outputDeviation * value
    ),
  };
}

/**
 * Samples of f at several points: mean + L z, with L Lᵀ the covariance and z
 * standard normal (R&W A.2).
 *
 * @param gp The process.
 * @param points Shape [m, d].
 * @param count How many samples.
 * @param random Source of randomness.
 * @returns Shape [count, m], in the unit of the outputs.
 */
export function samplePosterior(
  gp: GaussianProcess,
  points: Float64Array,
  count: number,
  random: Prng,
): Float64Array {
  const { mean, covariance } = standardisedPrediction(gp, points);
  const m = mean.length;
  // Rounding errors are relative to the prior variance, and the posterior
  // variance may be far below that. So the jitter is a share of the prior.
  let trace = 0;
  for (let i = 0; i < m; i++) trace += covariance[i * m + i];
  const { outputScale } = gp.hyperParameters;
  const ladder = JITTER_LADDER.map((share) => share * outputScale * m / trace);
  const { factor } = choleskyWithJitter(covariance, m, ladder);
  const samples = new Float64Array(count * m);
  const z = new Float64Array(m);
  for (let sample = 0; sample < count; sample++) {
    for (let i = 0; i < m; i++) z[i] = drawNormal(random);
    for (let i = 0; i < m; i++) {
      const value = mean[i] + dot(factor, i * m, z, 0, i + 1);
      samples[sample * m + i] = gp.outputMean + gp.outputDeviation * value;
    }
  }
  return samples;
}

/** `predictJointly()` of standardised outputs, with positive variances. */
function standardisedPrediction(
  gp: GaussianProcess,
  points: Float64Array,
): JointPrediction {
  const { covariance: name, size: n, inputs, factor, weights } = gp;
  const { lengthScales, outputScale, mean } = gp.hyperParameters;
  checkPoints(points, gp.dimensions);
  const m = points.length / gp.dimensions;
  const prior = crossCovariance(name, points, points, lengthScales);
  const rows = crossCovariance(name, points, inputs, lengthScales);
  const means = new Float64Array(m);
  for (let i = 0; i < m; i++) {
    means[i] = mean + outputScale * dot(rows, i * n, weights, 0, n);
    solveLower(factor, n, rows.subarray(i * n, (i + 1) * n));
  }
  // With v_i = L⁻¹ k(X, x_i): covariance = s k(x_i, x_j) − s² v_iᵀ v_j.
  const covariance = prior.map((k, at) => {
    const [i, j] = [Math.floor(at / m), at % m];
    const known = outputScale * dot(rows, i * n, rows, j * n, n);
    const left = outputScale * (k - known);
    return i === j ? Math.max(left, LEAST_VARIANCE * outputScale) : left;
  });
  return { mean: means, covariance };
}

/** Prediction of each observation from all others, noise included. */
export interface LeaveOneOut {
  /** Means, in the unit of the outputs, length n. */
  readonly mean: Float64Array;
  /** Variances, in squared units of the outputs, length n. */
  readonly variance: Float64Array;
  /**
   * (output − mean) / √variance, length n: standard normal if the model is
   * right.
   */
  readonly residuals: Float64Array;
  /** Σ log p(output | all others), of the outputs as told. */
  readonly logDensity: number;
}

/**
 * Leave-one-out predictions, in O(n³) for all of them (R&W 5.10 to 5.12).
 * Hyper-parameters and standardisation stay those of all observations.
 *
 * @param gp The process.
 * @returns The predictions and how well they fit.
 */
export function leaveOneOut(gp: GaussianProcess): LeaveOneOut {
  const { size: n, factor, weights, outputs, outputDeviation } = gp;
  // Row i of U = L⁻ᵀ is column i of L⁻¹; (K⁻¹)_ii is its squared length.
  const u = new Float64Array(n * n);
  invertTransposed(factor, n, u);
  const mean = new Float64Array(n);
  const variance = new Float64Array(n);
  const residuals = new Float64Array(n);
  let logDensity = 0;
  for (let i = 0; i < n; i++) {
    const inverse = dot(u, i * n, u, i * n, n);
    const deviation = outputDeviation / Math.sqrt(inverse);
    mean[i] = outputs[i] - outputDeviation * weights[i] / inverse;
    variance[i] = deviation * deviation;
    residuals[i] = weights[i] / Math.sqrt(inverse);
    logDensity += normalLogPdf(residuals[i]) - log(deviation);
  }
  return { mean, variance, residuals, logDensity };
}

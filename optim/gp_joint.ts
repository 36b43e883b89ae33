/**
 * What a Gaussian process says of several points at once: how its values vary
 * together, and samples of them.
 */

// This module is browser compatible.

import { crossCovariance } from "./covariance.ts";
import { type GaussianProcess, LEAST_VARIANCE } from "./gp.ts";
import { choleskyWithJitter, JITTER_LADDER, solveLower } from "./linalg.ts";
import { drawNormal } from "./normal.ts";
import { checkPoints } from "./observations.ts";
import { dot } from "./products.ts";
import type { Prng } from "./random.ts";

/** Values of f at m points, without noise and in the unit of the outputs. */
export interface JointPrediction {
  /** Length m. */
  readonly mean: Float64Array;
  /** Shape [m, m]. */
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance of f at several points (Rasmussen & Williams 2006, 2.23
 * and 2.24).
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
  // What rounding spoilt is a share of the variance before any observation,
  // of which next to nothing may be left.
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

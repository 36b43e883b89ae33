/**
 * How well a Gaussian process fits: what it says of each observation when that
 * one is left out.
 */

// This module is browser compatible.

import type { GaussianProcess } from "./gp.ts";
import { invertTransposed } from "./linalg.ts";
import { normalLogPdf } from "./normal.ts";
import { dot } from "./products.ts";

/** Predictions of each observation from all others, noise included. */
export interface LeaveOneOut {
  /** Means, in the unit of the outputs, length n. */
  readonly mean: Float64Array;
  /** Variances, in squared units of the outputs, length n. */
  readonly variance: Float64Array;
  /**
   * (output − mean) / √variance, length n: standard normal numbers where the
   * model is right.
   */
  readonly residuals: Float64Array;
  /** Σ log p(output | all others), of the outputs as told. */
  readonly logDensity: number;
}

/**
 * Leaves out one observation after the other, in O(n³) for all of them
 * (Rasmussen & Williams 2006, 5.10 to 5.12). Hyper-parameters and
 * standardisation stay those of all observations.
 *
 * @param gp The process.
 * @returns What it says of each observation.
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
    logDensity += normalLogPdf(residuals[i]) - Math.log(deviation);
  }
  return { mean, variance, residuals, logDensity };
}

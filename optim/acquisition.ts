/**
 * Acquisition functions: how useful is an evaluation at a point?
 *
 * All of them assume that the objective is to be maximised (negate the outputs to
 * minimise), and are to be maximised themselves. Each is made from a Gaussian
 * process and is a function of a point in the unit cube, with its gradient. The
 * variance of a process is never zero (gp/gp.ts), so they are always finite.
 */

// This module is browser compatible.

import { exp, log } from "./math/elementary.ts";
import { createPredictor, type GaussianProcess } from "./gp/gp.ts";
import { logImprovement } from "./math/normal.ts";
import type { SmoothFunction } from "./math/lbfgs.ts";
import {
  normalCdf,
  normalHazard,
  normalLogCdf,
  normalPdf,
} from "./math/normal.ts";

/** A value made of the mean and deviation of a prediction. */
interface Score {
  readonly value: number;
  /** ∂ value / ∂ mean. */
  readonly byMean: number;
  /** ∂ value / ∂ deviation. */
  readonly byDeviation: number;
}

/** Turns a function of mean and deviation into one of x, by the chain rule. */
function ofPrediction(
  gp: GaussianProcess,
  score: (mean: number, deviation: number) => Score,
): SmoothFunction {
  const predict = createPredictor(gp);
  return (x, gradient) => {
    const prediction = predict(x, gradient !== null);
    const deviation = Math.sqrt(prediction.variance);
    const { value, byMean, byDeviation } = score(prediction.mean, deviation);
    if (gradient !== null) {
      // ∂ deviation = ∂ variance / (2 deviation)
      const byVariance = byDeviation / (2 * deviation);
      const { meanGradient, varianceGradient } = prediction;
      for (let k = 0; k < gradient.length; k++) {
        gradient[k] = byMean * meanGradient[k] +
          byVariance * varianceGradient[k];
      }
    }
    return value;
  };
}

/**
 * Log expected improvement, log E max(f(x) − best, 0) (Ament et al. 2023). It has
 * the maximum of expected improvement, but is flat nowhere.
 *
 * @param gp Model of the objective.
 * @param best The largest output so far.
 * @returns The acquisition function.
 */
export function logExpectedImprovement(
  gp: GaussianProcess,
  best: number,
): SmoothFunction {
  return ofPrediction(gp, (mean, deviation) => {
    const h = logImprovement((mean - best) / deviation);
    return {
      value: log(deviation) + h.value,
      byMean: h.probability / deviation,
      byDeviation: h.density / deviation,
    };
  });
}

/**
 * Expected improvement, E max(f(x) − best, 0) (Jones et al. 1998, 15), in the
 * unit of the outputs. Zero over much of the cube in floating point: maximise
 * its logarithm.
 *
 * @param gp Model of the objective.
 * @param best The largest output so far.
 * @returns The acquisition function.
 */
export function expectedImprovement(
  gp: GaussianProcess,
  best: number,
): SmoothFunction {
  return ofPrediction(gp, (mean, deviation) => {
    const z = (mean - best) / deviation;
    return {
      value: deviation * exp(logImprovement(z).value),
      byMean: normalCdf(z),
      byDeviation: normalPdf(z),
    };
  });
}

/**
 * Probability of improvement, P(f(x) > best) (Kushner 1964).
 *
 * @param gp Model of the objective.
 * @param best The output to exceed.
 * @returns The acquisition function.
 */
export function probabilityOfImprovement(
  gp: GaussianProcess,
  best: number,
): SmoothFunction {
  return ofPrediction(gp, (mean, deviation) => {
    const z = (mean - best) / deviation;
    const byMean = normalPdf(z) / deviation;
    return { value: normalCdf(z), byMean, byDeviation: -z * byMean };
  });
}

/**
 * Upper confidence bound, mean + √beta · deviation (Srinivas et al. 2010).
 *
 * @param gp Model of the objective.
 * @param beta How much a doubt is worth, ≥ 0.
 * @returns The acquisition function.
 */
export function upperConfidenceBound(
  gp: GaussianProcess,
  beta: number,
): SmoothFunction {
  if (!(beta >= 0 && beta < Infinity)) {
    throw new RangeError(
      `Cannot bound the objective as beta must be finite and >= 0: current value is ${beta}`,
    );
  }
  const factor = Math.sqrt(beta);
  return ofPrediction(gp, (mean, deviation) => ({
    value: mean + factor * deviation,
    byMean: 1,
    byDeviation: factor,
  }));
}

/** A black-box constraint: a point is feasible if the value is at most a limit. */
export interface ModelledConstraint {
  /** Model of the values. */
  readonly gp: GaussianProcess;
  /** The largest feasible value. */
  readonly limit: number;
  /** How many times its log probability counts. Default 1. */
  readonly weight?: number;
}

/**
 * Log constrained expected improvement: log E max(f(x) − best, 0) +
 * Σ log P(constraint holds), as if all of them were independent (Gardner et al.
 * 2014; in logarithms as Ament et al. 2023).
 *
 * @param gp Model of the objective.
 * @param best The largest output of a feasible point so far; null while there
 * is none, in which case only the probability of feasibility counts.
 * @param constraints The conditions.
 * @returns The acquisition function.
 */
export function logConstrainedExpectedImprovement(
  gp: GaussianProcess,
  best: number | null,
  constraints: readonly ModelledConstraint[],
): SmoothFunction {
  const terms = constraints.map(logProbabilityOfFeasibility);
  if (best !== null) terms.push(logExpectedImprovement(gp, best));
  const part = new Float64Array(gp.dimensions);
  return (x, gradient) => {
    let sum = 0;
    gradient?.fill(0);
    for (const term of terms) {
      sum += term(x, gradient && part);
      gradient?.forEach((slope, k) => gradient[k] = slope + part[k]);
    }
    return sum;
  };
}

/** log P(value ≤ limit). */
function logProbabilityOfFeasibility(
  { gp, limit, weight = 1 }: ModelledConstraint,
): SmoothFunction {
  return ofPrediction(gp, (mean, deviation) => {
    const z = (limit - mean) / deviation;
    const slope = weight * normalHazard(z) / deviation;
    return {
      value: weight * normalLogCdf(z),
      byMean: -slope,
      byDeviation: -z * slope,
    };
  });
}

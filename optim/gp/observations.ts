/**
 * Observations of a function, checked and standardised.
 */

// This module is browser compatible.

import { checkKeys } from "../keys.ts";

/** Observations of a function. */
export interface Observations {
  /** Inputs in the unit cube, shape [n, d], n ≥ 1. */
  readonly inputs: Float64Array;
  /** Outputs, length n. */
  readonly outputs: Float64Array;
  /**
   * Known noise variance of each output, in squared units of the outputs,
   * length n. Absent: all have the same, and it is learnt.
   */
  readonly noiseVariances?: Float64Array;
}

/** Checked observations with standardised outputs. */
export interface Standardised {
  /** Inputs in the unit cube, shape [n, d]. */
  readonly inputs: Float64Array;
  /** Outputs as told, length n. */
  readonly outputs: Float64Array;
  /** Outputs of mean 0 and variance 1 (or 0), length n. */
  readonly y: Float64Array;
  /** Mean of the outputs. */
  readonly mean: number;
  /** Standard deviation of the outputs; 1 where all are equal. */
  readonly deviation: number;
  /** Known noise variances of y, length n; null where the noise is learnt. */
  readonly noise: Float64Array | null;
}

/**
 * The least noise variance of a standardised output, where it is known: with
 * less, the covariance matrix of a few hundred close points is singular to
 * working precision.
 */
const LEAST_NOISE = 1e-8;

/** A spread of less than this share of the largest output is rounding. */
const LEAST_SPREAD = 1e-13;

/** Squares of larger outputs, or of smaller deviations, leave the range of doubles. */
const LARGEST_OUTPUT = 1e150;
const LEAST_DEVIATION = 1e-150;

/**
 * Checks observations and standardises their outputs: mean 0, and variance 1
 * over n − 1, as BoTorch's Standardize.
 *
 * @param observations What was observed.
 * @param d Input dimensions.
 * @returns The observations, ready for the formulas.
 * @throws {TypeError} If the arrays do not fit together.
 * @throws {RangeError} If a number is not finite or a variance negative.
 */
export function standardise(
  observations: Observations,
  d: number,
): Standardised {
  checkKeys(
    "fit a Gaussian process",
    "observations",
    observations,
    ["inputs", "outputs", "noiseVariances"],
  );
  const { inputs, outputs, noiseVariances } = observations;
  const n = outputs.length;
  if (n === 0) {
    throw new TypeError(
      "Cannot fit a Gaussian process as there must be at least one observation",
    );
  }
  if (!Number.isInteger(inputs.length / n) || inputs.length === 0) {
    throw new TypeError(
      `Cannot fit a Gaussian process as inputs must be a whole number of times as many as outputs: current lengths are ${inputs.length} and ${n}`,
    );
  }
  checkLength("inputs", inputs.length, n * d);
  checkFinite("inputs", inputs);
  checkFinite("outputs", outputs);
  const largest = outputs.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
  if (largest > LARGEST_OUTPUT) {
    throw new RangeError(
      `Cannot fit a Gaussian process as no output may be larger than ${LARGEST_OUTPUT}: current largest is ${largest}`,
    );
  }
  const { mean, deviation } = moments(outputs, largest);
  const y = outputs.map((output) => (output - mean) / deviation);
  if (noiseVariances === undefined) {
    return { inputs, outputs, y, mean, deviation, noise: null };
  }
  checkLength("noiseVariances", noiseVariances.length, n);
  checkFinite("noiseVariances", noiseVariances);
  const noise = noiseVariances.map((variance) =>
    standardiseNoise(variance, deviation)
  );
  return { inputs, outputs, y, mean, deviation, noise };
}

/**
 * A known noise variance in standardised outputs.
 *
 * @param variance In squared units of the outputs.
 * @param deviation Standard deviation of the outputs.
 * @returns The variance over deviation², but at least 1e-8.
 * @throws {RangeError} If it is negative or NaN.
 */
export function standardiseNoise(variance: number, deviation: number): number {
  if (!(variance >= 0)) {
    throw new RangeError(
      `Cannot use a noise variance as it must be >= 0: current value is ${variance}`,
    );
  }
  return Math.max(variance / deviation / deviation, LEAST_NOISE);
}

/**
 * An evenly spaced subset of the observations, in the order they were told. The
 * standardisation stays that of all of them.
 *
 * @param data All observations.
 * @param d Input dimensions.
 * @param m How many to take, at most as many as there are.
 * @returns m of them.
 */
export function takeEvenly(
  data: Standardised,
  d: number,
  m: number,
): Standardised {
  const rows = Array.from(
    { length: m },
    (_, i) => Math.floor(i * data.y.length / m),
  );
  const take = (values: Float64Array) =>
    Float64Array.from(rows, (row) => values[row]);
  const inputs = new Float64Array(m * d);
  rows.forEach((row, i) =>
    inputs.set(data.inputs.subarray(row * d, (row + 1) * d), i * d)
  );
  const { outputs, y, noise } = data;
  return {
    ...data,
    inputs,
    outputs: take(outputs),
    y: take(y),
    noise: noise && take(noise),
  };
}

/**
 * Refuses points of the wrong length or with coordinates that are not finite.
 *
 * @param points Shape [m, d].
 * @param d Input dimensions.
 * @throws {TypeError} If the numbers are no multiple of d.
 * @throws {RangeError} If one is not finite.
 */
export function checkPoints(points: Float64Array, d: number): void {
  if (points.length === 0 || points.length % d !== 0) {
    throw new TypeError(
      `Cannot predict as a point must have ${d} coordinates: current length is ${points.length}`,
    );
  }
  for (let i = 0; i < points.length; i++) {
    if (!Number.isFinite(points[i])) {
      throw new RangeError(
        `Cannot predict as coordinates must be finite: current value ${i} is ${
          points[i]
        }`,
      );
    }
  }
}

/** Mean and standard deviation; the deviation is 1 if it is a rounding error. */
function moments(
  outputs: Float64Array,
  largest: number,
): { mean: number; deviation: number } {
  const n = outputs.length;
  // Outputs are divided by the largest, so that no square over- or underflows.
  const unit = largest || 1;
  let sum = 0;
  for (const output of outputs) sum += output / unit;
  const mean = sum / n;
  let squares = 0;
  for (const output of outputs) {
    const difference = output / unit - mean;
    squares += difference * difference;
  }
  const spread = n === 1 ? 0 : Math.sqrt(squares / (n - 1));
  const isConstant = spread < LEAST_SPREAD || spread * unit < LEAST_DEVIATION;
  return { mean: mean * unit, deviation: isConstant ? 1 : spread * unit };
}

function checkLength(name: string, actual: number, expected: number): void {
  if (actual !== expected) {
    throw new TypeError(
      `Cannot fit a Gaussian process as ${name} must have ${expected} numbers: current length is ${actual}`,
    );
  }
}

function checkFinite(name: string, values: Float64Array): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    throw new RangeError(
      `Cannot fit a Gaussian process as ${name} must be finite: current value ${at} is ${
        values[at]
      }`,
    );
  }
}

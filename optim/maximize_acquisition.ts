/**
 * Maximisation of an acquisition function over a box: a sweep over many
 * candidates, then L-BFGS from the best of them.
 *
 * An acquisition function has many local maxima. The sweep finds their hills and
 * L-BFGS climbs them. It starts from candidates that are some way apart, so that
 * they do not all climb the same hill.
 */

// This module is browser compatible.

import { checkKeys } from "./keys.ts";
import { minimizeLbfgs, type SmoothFunction } from "./math/lbfgs.ts";

/** How to maximise. */
export interface MaximizeAcquisitionOptions {
  /** Points of the sweep, shape [m, d], m ≥ 1: quasi-random as a rule. */
  readonly candidates: Float64Array;
  /** Least value of each variable, length d. Default 0. */
  readonly lower?: Float64Array;
  /** Largest value of each variable, length d. Default 1. Equal bounds fix a variable. */
  readonly upper?: Float64Array;
  /** From how many candidates L-BFGS is run. Default 8. */
  readonly restarts?: number;
}

/** All keys of `MaximizeAcquisitionOptions`. */
const OPTIONS = [
  "candidates",
  "lower",
  "upper",
  "restarts",
] as const satisfies readonly (keyof MaximizeAcquisitionOptions)[];

/** A local maximum. */
export interface Maximum {
  /** Where it is, length d. */
  readonly x: Float64Array;
  /** The value there. */
  readonly value: number;
}

/** L-BFGS ends where the function grows by less than this share of its value. */
const VALUE_TOLERANCE = 1e-9;

/** Most iterations from each start. */
const MAX_ITERATIONS = 100;

/**
 * The local maxima of a function that are reached from the best candidates.
 *
 * @param f The function.
 * @param d Its variables.
 * @param options Candidates, bounds and restarts.
 * @returns At least one, the largest first. Two may be the same.
 * @throws {RangeError} If there is no candidate with a finite value.
 */
export function maximizeAcquisition(
  f: SmoothFunction,
  d: number,
  options: MaximizeAcquisitionOptions,
): Maximum[] {
  checkKeys("maximise", "options", options, OPTIONS);
  const { candidates, restarts = 8 } = options;
  const starts = chooseStarts(f, d, candidates, restarts);
  // The tolerances of L-BFGS are meant for functions that vary by about 1, so the
  // unit is the range of the starts.
  const unit = starts[0].value - starts[starts.length - 1].value || 1;
  const loss: SmoothFunction = (x, gradient) => {
    const value = f(x, gradient);
    gradient?.forEach((slope, k) => gradient[k] = -slope / unit);
    return -value / unit;
  };
  const how = {
    lower: options.lower ?? new Float64Array(d),
    upper: options.upper ?? new Float64Array(d).fill(1),
    valueTolerance: VALUE_TOLERANCE,
    maxIterations: MAX_ITERATIONS,
  };
  return starts
    .map(({ x }) => minimizeLbfgs(loss, x, how))
    .map(({ x }) => ({ x, value: f(x, null) }))
    .sort((a, b) => b.value - a.value);
}

/**
 * The starts, the best first. A start is further from all better starts than the
 * average distance of candidates. If there are too few, the best of the rest
 * follow.
 */
function chooseStarts(
  f: SmoothFunction,
  d: number,
  candidates: Float64Array,
  restarts: number,
): Maximum[] {
  const m = candidates.length / d;
  const ranked = Array.from({ length: m }, (_, i) => {
    const x = candidates.slice(i * d, (i + 1) * d);
    return { x, value: f(x, null) };
  }).filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => b.value - a.value);
  if (ranked.length === 0) {
    throw new RangeError(
      `Cannot maximise as the function must be finite at a candidate: it is at none of ${m}`,
    );
  }
  // m points that share the cube evenly have 1/m of its volume each.
  const apart = m ** (-1 / d);
  const chosen: Maximum[] = [];
  const others: Maximum[] = [];
  for (const candidate of ranked) {
    const isNear = chosen.some(({ x }) => distance(x, candidate.x) < apart);
    (isNear || chosen.length === restarts ? others : chosen).push(candidate);
  }
  return [...chosen, ...others].slice(0, restarts);
}

/** The largest difference in a coordinate. */
function distance(a: Float64Array, b: Float64Array): number {
  return a.reduce((most, x, k) => Math.max(most, Math.abs(x - b[k])), 0);
}

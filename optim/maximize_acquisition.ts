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
import { power } from "./math/elementary.ts";
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

/** A point and the value of a function there. */
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
  const m = candidates.length / d;
  const ranked = rank(
    f,
    Array.from({ length: m }, (_, i) => candidates.slice(i * d, (i + 1) * d)),
  );
  if (ranked.length === 0) {
    throw new RangeError(
      `Cannot maximise as the function must be finite at a candidate: it is at none of ${m}`,
    );
  }
  // m points that share the cube evenly have 1/m of its volume each.
  const starts = chooseStarts(ranked, power(m, -1 / d), restarts);
  const unit = starts[0].value - starts[starts.length - 1].value || 1;
  return sortMaxima(
    starts.map((start) => ascend(f, start, { ...options, unit })),
  );
}

/** Points of finite value, the best first. */
export function rank(
  f: SmoothFunction,
  points: readonly Float64Array[],
): Maximum[] {
  return sortMaxima(
    points.map((x) => ({ x, value: f(x, null) }))
      .filter(({ value }) => Number.isFinite(value)),
  );
}

/** The largest value first. */
export function sortMaxima(maxima: Maximum[]): Maximum[] {
  return maxima.sort((a, b) => b.value - a.value);
}

/**
 * Starts for L-BFGS, the best first. A start is further than `apart` from all
 * better starts. If there are too few, the best of the rest follow.
 *
 * @param ranked Candidates, the best first.
 * @param apart The largest difference in a coordinate that two may not have.
 * @param count How many.
 * @returns The starts.
 */
export function chooseStarts(
  ranked: readonly Maximum[],
  apart: number,
  count: number,
): Maximum[] {
  const chosen: Maximum[] = [];
  const others: Maximum[] = [];
  for (const candidate of ranked) {
    const isNear = chosen.some(({ x }) => distance(x, candidate.x) < apart);
    (isNear || chosen.length === count ? others : chosen).push(candidate);
  }
  return [...chosen, ...others].slice(0, count);
}

/** Where and how far L-BFGS climbs. */
export interface AscendOptions {
  /** Least value of each variable. Default 0. */
  readonly lower?: Float64Array;
  /** Largest value of each variable. Default 1. */
  readonly upper?: Float64Array;
  /**
   * How much the function varies between starts: the tolerances of L-BFGS are
   * meant for functions that vary by about 1.
   */
  readonly unit: number;
  /** Most iterations. Default 100. */
  readonly maxIterations?: number;
}

/** The local maximum above a start, or the start if it is better. */
export function ascend(
  f: SmoothFunction,
  start: Maximum,
  { lower, upper, unit, maxIterations = MAX_ITERATIONS }: AscendOptions,
): Maximum {
  const d = start.x.length;
  const { x, value } = minimizeLbfgs(
    (x, gradient) => {
      const value = f(x, gradient);
      gradient?.forEach((slope, k) => gradient[k] = -slope / unit);
      return -value / unit;
    },
    start.x,
    {
      lower: lower ?? new Float64Array(d),
      upper: upper ?? new Float64Array(d).fill(1),
      valueTolerance: VALUE_TOLERANCE,
      maxIterations,
    },
  );
  return { x, value: -value * unit };
}

/** The largest difference in a coordinate. */
function distance(a: Float64Array, b: Float64Array): number {
  let most = 0;
  for (let k = 0; k < a.length; k++) {
    most = Math.max(most, Math.abs(a[k] - b[k]));
  }
  return most;
}

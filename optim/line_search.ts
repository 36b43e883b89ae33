/**
 * The line search of L-BFGS in a box: it finds a step along the projected path
 * x(α) = P(x + α p) that lowers the function enough and goes far enough.
 *
 * Enough is the sufficient decrease of Nocedal & Wright 2006 (3.6a), with the
 * bent path in place of the straight one (Bertsekas 1982); far enough is the
 * curvature condition (3.6b) for the slope among the variables that still move.
 * Both together keep the curvature that L-BFGS learns positive. A step that is
 * too long and one that is too short bracket a good one, and the bracket
 * shrinks (Lewis & Overton 2013) by cubic interpolation.
 */

// This module is browser compatible.

import type { Box, Evaluated } from "./box.ts";

/** c₁: the least decrease, as a share of what the gradient promises. */
const DECREASE = 1e-4;

/** c₂: the steepest slope that may remain, as a share of the initial one. */
const CURVATURE = 0.9;

/** A bracket that is still no good after so many trials is not going to be. */
const MAX_TRIALS = 30;

/** Steps grow by this while they are too short and no step was too long. */
const GROWTH = 4;

/** A trial on the path. */
interface Trial {
  readonly alpha: number;
  readonly value: number;
  readonly slope: number;
}

/** What a line search found. */
export interface LineSearchResult {
  /** The new point; null when no step along the path lowers the function. */
  readonly found: Evaluated | null;
  /** Evaluations made. */
  readonly evaluations: number;
}

/**
 * Searches along the projected path.
 *
 * @param f Fills the gradient and returns the value.
 * @param box The box.
 * @param from Where the path starts, inside the box.
 * @param p Its direction, length d: downwards, and 0 where a bound holds.
 * @param first The first α to try.
 * @returns The step. Where no trial meets both conditions it is the last one
 * that met the first.
 */
export function searchLine(
  f: (x: Float64Array, gradient: Float64Array) => number,
  box: Box,
  from: Evaluated,
  p: Float64Array,
  first: number,
): LineSearchResult {
  const start = { alpha: 0, value: from.value, slope: box.slope(from, p) };
  let short: Trial = start;
  let long: Trial | null = null;
  let found: Evaluated | null = null;
  let alpha = first;
  let evaluations = 0;
  while (evaluations < MAX_TRIALS) {
    const to: Evaluated = {
      x: new Float64Array(p.length),
      gradient: new Float64Array(p.length),
      value: NaN,
    };
    box.step(from.x, alpha, p, to.x);
    to.value = f(to.x, to.gradient);
    evaluations++;
    const trial = { alpha, value: to.value, slope: box.slope(to, p) };
    if (!isUsable(trial) || !isLowEnough(from, to)) {
      long = trial;
    } else {
      found = to;
      if (trial.slope >= CURVATURE * start.slope) break;
      short = trial;
    }
    const next = long === null ? GROWTH * alpha : between(short, long);
    // The bracket is as narrow as numbers allow, or there is no end to the way.
    if (next === alpha || !Number.isFinite(next)) break;
    alpha = next;
  }
  return { found, evaluations };
}

function isUsable({ value, slope }: Trial): boolean {
  return Number.isFinite(value) && Number.isFinite(slope);
}

/** Condition (3.6a) along the bent path. */
function isLowEnough(from: Evaluated, to: Evaluated): boolean {
  let promise = 0;
  for (let i = 0; i < from.x.length; i++) {
    promise += from.gradient[i] * (to.x[i] - from.x[i]);
  }
  // After many bends even the linear model may go up: that is too long a step.
  return promise < 0 && to.value <= from.value + DECREASE * promise;
}

/**
 * The next α inside a bracket: the minimum of the cubic through both values and
 * slopes (Nocedal & Wright 3.59), kept off the ends of the bracket so that it
 * always shrinks; a tenth of the way where the far end has no finite value.
 */
function between(short: Trial, long: Trial): number {
  const width = long.alpha - short.alpha;
  const secant = (long.value - short.value) / width;
  const d1 = short.slope + long.slope - 3 * secant;
  const d2 = Math.sqrt(d1 * d1 - short.slope * long.slope);
  const share = 1 -
    (long.slope + d2 - d1) / (long.slope - short.slope + 2 * d2);
  if (Number.isFinite(share)) {
    return short.alpha + width * Math.min(Math.max(share, 0.1), 0.9);
  }
  return short.alpha + width * (Number.isFinite(long.value) ? 0.5 : 0.1);
}

/**
 * Minimisation of a smooth function in a box: limited-memory BFGS with
 * projection.
 *
 * Each iteration sets aside the variables that sit at a bound and want out of
 * the box, takes the L-BFGS direction in the space of all others (Nocedal &
 * Wright 2006, algorithm 7.4) and searches along it with every point projected
 * into the box (Bertsekas 1982, "Projected Newton methods"). That meets the
 * same optimality condition as L-BFGS-B (Byrd et al. 1995) without its
 * generalised Cauchy point: a step may meet several bounds at once because the
 * search bends with the box.
 */

// This module is browser compatible.

import { Box, type Evaluated } from "./box.ts";
import { CurvatureMemory } from "./curvature.ts";
import { checkKeys } from "./keys.ts";
import { searchLine } from "./line_search.ts";

/**
 * A smooth function of d variables: returns its value at `x`, and where
 * `gradient` (length d) is given also fills it. It must neither keep nor
 * change `x`. A value that is not finite says that the point is out of reach.
 */
export type SmoothFunction = (
  x: Float64Array,
  gradient: Float64Array | null,
) => number;

/** How to minimise. */
export interface LbfgsOptions {
  /** Least value of each variable, length d. Default −∞. */
  readonly lower?: ArrayLike<number>;
  /** Largest value of each variable, length d. Default ∞. Equal bounds fix a variable. */
  readonly upper?: ArrayLike<number>;
  /**
   * Stops when no element of the projected gradient x − P(x − ∇f) is larger
   * than this. Default 1e-8.
   */
  readonly gradientTolerance?: number;
  /**
   * Stops when an iteration lowers the value by no more than this share of
   * max(|f|, 1). Default 1e-14.
   */
  readonly valueTolerance?: number;
  /** Most iterations. Default 200. */
  readonly maxIterations?: number;
}

/** All keys of `LbfgsOptions`. */
const OPTIONS = [
  "lower",
  "upper",
  "gradientTolerance",
  "valueTolerance",
  "maxIterations",
] as const satisfies readonly (keyof LbfgsOptions)[];

/** Where a minimisation ended. */
export interface Minimum {
  /** The point, inside the box; length d. */
  readonly x: Float64Array;
  /** The value there. */
  readonly value: number;
  /** Iterations made. */
  readonly iterations: number;
  /** Evaluations of the function, each with its gradient. */
  readonly evaluations: number;
  /**
   * Why it ended: a tolerance was met (`gradient`, `value`), the iterations
   * were spent, or no step along a descent direction lowers the value any more
   * (`lineSearch`), which is how a minimum looks at the end of the precision.
   */
  readonly reason: "gradient" | "value" | "iterations" | "lineSearch";
}

/**
 * Minimises a smooth function in a box.
 *
 * @param f The function.
 * @param start Where to start, length d; moved into the box first.
 * @param options The box and when to stop.
 * @returns The last point it moved to: each is better than the one before it.
 * @throws {RangeError} If a lower bound is above its upper bound or the value
 * or gradient at the start is not finite.
 */
export function minimizeLbfgs(
  f: SmoothFunction,
  start: ArrayLike<number>,
  options: LbfgsOptions = {},
): Minimum {
  checkKeys("minimise", "options", options, OPTIONS);
  const { gradientTolerance = 1e-8, valueTolerance = 1e-14 } = options;
  const { maxIterations = 200 } = options;
  const d = start.length;
  const box = new Box(d, options.lower, options.upper);
  const memory = new CurvatureMemory();
  const free = new Uint8Array(d);
  let here = evaluateStart(f, box, start);
  let evaluations = 1;
  let iterations = 0;
  let reason: Minimum["reason"] | null = null;

  while (reason === null) {
    if (box.projectedGradient(here) <= gradientTolerance) {
      reason = "gradient";
    } else if (iterations === maxIterations) {
      reason = "iterations";
    } else {
      box.markFree(here, free);
      const direction = memory.direction(here.gradient, free);
      // Before any curvature is known, a step of length 1 at most.
      const first = memory.size > 0
        ? 1
        : Math.min(1, 1 / Math.hypot(...direction));
      const line = searchLine(f, box, here, direction, first);
      evaluations += line.evaluations;
      if (line.found !== null) {
        const gain = here.value - line.found.value;
        memory.learn(here, line.found);
        here = line.found;
        iterations++;
        const scale = Math.max(Math.abs(here.value), 1);
        if (gain <= valueTolerance * scale) reason = "value";
      } else if (memory.size > 0) {
        // What the memory says may be stale; the steepest way down never is.
        memory.forget();
      } else {
        reason = "lineSearch";
      }
    }
  }
  return { x: here.x, value: here.value, iterations, evaluations, reason };
}

function evaluateStart(
  f: SmoothFunction,
  box: Box,
  start: ArrayLike<number>,
): Evaluated {
  const x = Float64Array.from(start);
  box.project(x);
  const gradient = new Float64Array(x.length);
  const value = f(x, gradient);
  if (!Number.isFinite(value) || !gradient.every(Number.isFinite)) {
    throw new RangeError(
      `Cannot minimise as value and gradient at the start must be finite: current value is ${value}, gradient [${gradient}]`,
    );
  }
  return { x, gradient, value };
}

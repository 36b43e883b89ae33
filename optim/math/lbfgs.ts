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

import { checkKeys } from "../keys.ts";

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
        : Math.min(1, 1 / Math.sqrt(product(direction, direction)));
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
        // The memory may be outdated; the steepest descent direction never is.
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

/** A point with the value and gradient of a function there. */
interface Evaluated {
  /** The point, length d. */
  readonly x: Float64Array;
  /** The gradient there, length d. */
  readonly gradient: Float64Array;
  /** The value there. */
  value: number;
}

/** The points x with lower ≤ x ≤ upper. */
class Box {
  readonly #lower: Float64Array;
  readonly #upper: Float64Array;

  /**
   * Makes a box.
   *
   * @param d Variables.
   * @param lower Least value of each, −∞ where absent.
   * @param upper Largest value of each, ∞ where absent.
   * @throws {TypeError} If there is not one bound per variable.
   * @throws {RangeError} If a lower bound is above its upper bound, or NaN.
   */
  constructor(d: number, lower?: ArrayLike<number>, upper?: ArrayLike<number>) {
    this.#lower = bounds("lower", d, lower, -Infinity);
    this.#upper = bounds("upper", d, upper, Infinity);
    for (let i = 0; i < d; i++) {
      if (!(this.#lower[i] <= this.#upper[i])) {
        throw new RangeError(
          `Cannot bound variable ${i} as its lower bound must not be above its upper bound: ` +
            `current values are ${this.#lower[i]} and ${this.#upper[i]}`,
        );
      }
    }
  }

  /** Moves x to the nearest point of the box. */
  project(x: Float64Array): void {
    for (let i = 0; i < x.length; i++) {
      x[i] = Math.min(Math.max(x[i], this.#lower[i]), this.#upper[i]);
    }
  }

  /**
   * How far from stationary a point is: the largest element of
   * |x − P(x − ∇f)|, 0 exactly where no direction into the box goes down.
   */
  projectedGradient({ x, gradient }: Evaluated): number {
    let largest = 0;
    for (let i = 0; i < x.length; i++) {
      const move = gradient[i] > 0
        ? Math.min(gradient[i], x[i] - this.#lower[i])
        : Math.min(-gradient[i], this.#upper[i] - x[i]);
      largest = Math.max(largest, move);
    }
    return largest;
  }

  /** Marks with 1 the variables that the gradient does not hold at a bound. */
  markFree({ x, gradient }: Evaluated, free: Uint8Array): void {
    for (let i = 0; i < x.length; i++) {
      const held = gradient[i] > 0
        ? x[i] <= this.#lower[i]
        : x[i] >= this.#upper[i];
      free[i] = held ? 0 : 1;
    }
  }

  /** Fills `to` with P(x + α p). */
  step(
    x: Float64Array,
    alpha: number,
    p: Float64Array,
    to: Float64Array,
  ): void {
    for (let i = 0; i < x.length; i++) to[i] = x[i] + alpha * p[i];
    this.project(to);
  }

  /** ∇f · p among the variables that p does not push against a bound. */
  slope({ x, gradient }: Evaluated, p: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      const stuck = p[i] > 0 ? x[i] >= this.#upper[i] : x[i] <= this.#lower[i];
      if (!stuck) sum += gradient[i] * p[i];
    }
    return sum;
  }
}

function bounds(
  name: string,
  d: number,
  values: ArrayLike<number> | undefined,
  absent: number,
): Float64Array {
  if (values === undefined) return new Float64Array(d).fill(absent);
  if (values.length !== d) {
    throw new TypeError(
      `Cannot bound the variables as there must be one ${name} bound for each: expected ${d}, got ${values.length}`,
    );
  }
  return Float64Array.from(values);
}

/** How many steps are remembered. */
const MEMORY = 10;

/** Steps of less curvature sᵀy / (‖s‖ ‖y‖) are not remembered. */
const LEAST_CURVATURE = 1e-10;

/**
 * The memory of L-BFGS: the last steps s and the changes y of the gradient over
 * them, which give Newton-like directions.
 */
class CurvatureMemory {
  #pairs: { readonly s: Float64Array; readonly y: Float64Array }[] = [];

  /** How many steps are remembered. */
  get size(): number {
    return this.#pairs.length;
  }

  /** Forgets all. */
  forget(): void {
    this.#pairs = [];
  }

  /** Remembers a step, unless its curvature is not clearly positive. */
  learn(from: Evaluated, to: Evaluated): void {
    const s = to.x.map((x, i) => x - from.x[i]);
    const y = to.gradient.map((g, i) => g - from.gradient[i]);
    if (!isConvex(s, y)) return;
    if (this.size === MEMORY) this.#pairs.shift();
    this.#pairs.push({ s, y });
  }

  /**
   * The direction −H ∇f among the free variables and 0 elsewhere, by the
   * two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) with all vectors
   * restricted to the free variables. H is positive definite, as each pair that
   * is used has positive curvature there, so the direction goes down.
   *
   * @param gradient ∇f, length d.
   * @param free 1 for each free variable, length d.
   * @returns The direction, length d.
   */
  direction(gradient: Float64Array, free: Uint8Array): Float64Array {
    const restrict = (v: Float64Array) => v.map((x, i) => free[i] ? x : 0);
    const pairs = this.#pairs
      .map(({ s, y }) => ({ s: restrict(s), y: restrict(y) }))
      .filter(({ s, y }) => isConvex(s, y))
      .map(({ s, y }) => ({ s, y, rho: 1 / product(s, y), alpha: 0 }));
    const p = restrict(gradient).map((g) => -g);

    for (const pair of pairs.toReversed()) {
      pair.alpha = pair.rho * product(pair.s, p);
      addScaled(p, -pair.alpha, pair.y);
    }
    const latest = pairs.at(-1);
    if (latest !== undefined) {
      // H₀ = γ I (7.20): the size of the inverse Hessian along the last step.
      const gamma = 1 / (latest.rho * product(latest.y, latest.y));
      for (let i = 0; i < p.length; i++) p[i] *= gamma;
    }
    for (const { s, y, rho, alpha } of pairs) {
      addScaled(p, alpha - rho * product(y, p), s);
    }
    return p;
  }
}

function isConvex(s: Float64Array, y: Float64Array): boolean {
  const size = Math.sqrt(product(s, s)) * Math.sqrt(product(y, y));
  return product(s, y) > LEAST_CURVATURE * size;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** a += factor · b. */
function addScaled(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i] += factor * b[i];
}

/** c₁: the least decrease, as a share of what the gradient promises. */
const DECREASE = 1e-4;

/** c₂: the steepest slope that may remain, as a share of the initial one. */
const CURVATURE = 0.9;

/** Most trials: a bracket that holds no good step by then holds none. */
const MAX_TRIALS = 30;

/** Growth of a step that is too short while no step was too long. */
const GROWTH = 4;

/** A trial on the path. */
interface Trial {
  readonly alpha: number;
  readonly value: number;
  readonly slope: number;
}

/** The result of a line search. */
interface LineSearchResult {
  /** The new point; null when no step along the path lowers the function. */
  readonly found: Evaluated | null;
  /** Evaluations made. */
  readonly evaluations: number;
}

/**
 * Searches along the projected path x(α) = P(x + α p) for a step that lowers the
 * function enough and goes far enough.
 *
 * Enough is the sufficient decrease of Nocedal & Wright 2006 (3.6a), on the
 * projected path instead of a straight line (Bertsekas 1982). Far enough is the
 * curvature condition (3.6b), for the slope among the variables that still move.
 * The two conditions keep the curvature that L-BFGS learns positive. A step that
 * is too long and one that is too short bracket a good one; cubic interpolation
 * shrinks the bracket (Lewis & Overton 2013).
 *
 * @param f Fills the gradient and returns the value.
 * @param box The box.
 * @param from Where the path starts, inside the box.
 * @param p Its direction, length d: downwards, and 0 where a bound holds.
 * @param first The first α to try.
 * @returns The step. Where no trial meets both conditions it is the last one
 * that met the first.
 */
function searchLine(
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
    // The bracket cannot shrink any more, or the path has no end.
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
  // After many bends even the linear model may rise: the step is too long.
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

/**
 * What L-BFGS remembers of a function: the last steps and how the gradient
 * changed over them, from which it makes Newton-like directions.
 */

// This module is browser compatible.

import type { Evaluated } from "./box.ts";

/** How many steps are remembered. */
const MEMORY = 10;

/** Steps of less curvature than this, sᵀy / (‖s‖ ‖y‖), teach nothing. */
const LEAST_CURVATURE = 1e-10;

/** The last steps s, and the changes y of the gradient over them. */
export class CurvatureMemory {
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

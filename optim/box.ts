/**
 * A box of bounds, and what it means for points and gradients inside it.
 */

// This module is browser compatible.

/** A point with the value and gradient of a function there. */
export interface Evaluated {
  /** The point, length d. */
  readonly x: Float64Array;
  /** The gradient there, length d. */
  readonly gradient: Float64Array;
  /** The value there. */
  value: number;
}

/** The points x with lower ≤ x ≤ upper. */
export class Box {
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

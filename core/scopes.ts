/**
 * Scopes that free the tensors made in them, for backends without a garbage
 * collector; see `Backend.scope`.
 *
 * This module is browser compatible.
 */

/** The open scopes, and the objects of class T made in each. */
export class Scopes<T extends object> {
  readonly #isMine: (value: object) => value is T;
  readonly #free: (x: T) => void;
  /** The innermost last. */
  readonly #open: T[][] = [];

  /**
   * Starts without an open scope.
   *
   * @param isMine tells T from other objects in the result of a scope
   * @param free frees a T
   */
  constructor(isMine: (value: object) => value is T, free: (x: T) => void) {
    this.#isMine = isMine;
    this.#free = free;
  }

  /** Adds a new object to the innermost scope, which will free it. */
  add(x: T): void {
    this.#open.at(-1)?.push(x);
  }

  /**
   * Runs `body` and frees all objects made in it, except those in its result.
   * These move to the enclosing scope.
   */
  run<R>(body: () => R): R {
    const mine: T[] = [];
    this.#open.push(mine);
    const kept = new Set<T>();
    try {
      const result = body();
      this.#collect(result, kept);
      return result;
    } finally {
      this.#open.pop();
      const outer = this.#open.at(-1);
      for (const x of mine) {
        if (kept.has(x)) outer?.push(x);
        else this.#free(x);
      }
    }
  }

  /** Collects all T in a value: the value itself, or parts of arrays and records. */
  #collect(value: unknown, found: Set<T>): void {
    if (typeof value !== "object" || value === null) return;
    if (this.#isMine(value)) found.add(value);
    else if (!ArrayBuffer.isView(value)) {
      for (const part of Object.values(value)) this.#collect(part, found);
    }
  }
}

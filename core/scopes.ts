/**
 * Scopes that free what was made in them, for backends whose memory no garbage
 * collector frees; see `Backend.scope`.
 *
 * This module is browser compatible.
 */

/** What was made in each open scope, of class T. */
export class Scopes<T extends object> {
  readonly #isMine: (value: object) => value is T;
  readonly #free: (x: T) => void;
  /** The innermost last. */
  readonly #open: T[][] = [];

  /**
   * Starts outside of all scopes.
   *
   * @param isMine tells T from other objects in the result of a scope
   * @param free gives back one of them
   */
  constructor(isMine: (value: object) => value is T, free: (x: T) => void) {
    this.#isMine = isMine;
    this.#free = free;
  }

  /** Notes what was made, for the innermost scope to free. */
  add(x: T): void {
    this.#open.at(-1)?.push(x);
  }

  /**
   * Runs `body` and frees all that was made in it but what its result holds;
   * that goes to the scope around.
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

  /** All T in a value: itself, or what its arrays and records hold. */
  #collect(value: unknown, found: Set<T>): void {
    if (typeof value !== "object" || value === null) return;
    if (this.#isMine(value)) found.add(value);
    else if (!ArrayBuffer.isView(value)) {
      for (const part of Object.values(value)) this.#collect(part, found);
    }
  }
}

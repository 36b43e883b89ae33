/**
 * A promise that is settled from outside: `Promise.withResolvers()`, which Node
 * has from version 22 on.
 *
 * This module is browser compatible.
 */

/** A promise and its resolving functions. */
export interface Deferred<T> {
  /** The promise. */
  readonly promise: Promise<T>;
  /** Fulfils it. */
  readonly resolve: (value: T) => void;
  /** Rejects it. */
  readonly reject: (reason: unknown) => void;
}

/** Makes a pending promise. */
export function defer<T>(): Deferred<T> {
  let settle!: Omit<Deferred<T>, "promise">;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

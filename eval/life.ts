/**
 * How a pool learns of the death of a worker that no event tells of (`close`,
 * a browser that takes back its memory): a worker holds a lock as long as it
 * lives, and the pool waits for that lock (Web Locks API). A worker that ends
 * before it has the lock is missed, so it gives no answer before that.
 *
 * This module is browser compatible.
 */

import { defer } from "./deferred.ts";

/** The part that is used; Deno has it, but its types do not. */
interface Locks {
  request(
    name: string,
    options: { readonly signal?: AbortSignal },
    callback: () => void | Promise<void>,
  ): Promise<unknown>;
}

/** Missing on pages that were not loaded securely, and in Deno before 2.9. */
const locks = (globalThis.navigator as { readonly locks?: Locks } | undefined)
  ?.locks;

/**
 * Takes a lock that only the worker's death frees.
 *
 * @returns the lock's name when it is held; null where there are no locks
 */
export function holdForLife(): Promise<string | null> {
  if (!locks) return Promise.resolve(null);
  const { promise, resolve } = defer<string | null>();
  const lock = crypto.randomUUID();
  const held = locks.request(lock, {}, () => {
    resolve(lock);
    return new Promise<void>(() => {});
  });
  // Pages in a sandbox are denied it.
  held.catch(() => resolve(null));
  return promise;
}

/** Calls back when nobody holds the lock any more, unless aborted before. */
export function whenFree(
  lock: string,
  signal: AbortSignal,
  callback: () => void,
): void {
  // Whoever aborts need not be told.
  locks!.request(lock, { signal }, callback).catch(() => {});
}

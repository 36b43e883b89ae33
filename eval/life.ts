/**
 * Detects the death of a worker that causes no event (`close`, or a browser that
 * reclaims memory). A worker holds a lock while it lives, and the pool waits for
 * that lock (Web Locks API). A worker that ends before it has the lock would go
 * unnoticed, so it answers only after that.
 *
 * This module is browser compatible.
 */

import { defer } from "./deferred.ts";

/** The part of the API that is used; Deno has it, but lacks its types. */
interface Locks {
  request(
    name: string,
    options: { readonly signal?: AbortSignal },
    callback: () => void | Promise<void>,
  ): Promise<unknown>;
}

/** Undefined on pages without a secure context, and in Deno before 2.9. */
const locks = (globalThis.navigator as { readonly locks?: Locks } | undefined)
  ?.locks;

/**
 * Takes a lock that is held until the worker dies.
 *
 * @returns the lock's name once it is held; null if locks are not available
 */
export function holdForLife(): Promise<string | null> {
  if (!locks) return Promise.resolve(null);
  const { promise, resolve } = defer<string | null>();
  const lock = crypto.randomUUID();
  const held = locks.request(lock, {}, () => {
    resolve(lock);
    return new Promise<void>(() => {});
  });
  // Sandboxed pages may not use locks.
  held.catch(() => resolve(null));
  return promise;
}

/** Calls back when the lock is free, unless aborted before. */
export function whenFree(
  lock: string,
  signal: AbortSignal,
  callback: () => void,
): void {
  // An abort rejects the request; it needs no handling.
  locks!.request(lock, { signal }, callback).catch(() => {});
}

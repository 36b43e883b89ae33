/**
 * How a pool learns of the death of a worker that no event tells of (`close`,
 * a browser that takes back its memory): a worker holds a lock as long as it
 * lives, and the pool waits for that lock (Web Locks API).
 *
 * This module is browser compatible.
 */

/** The part that is used; Deno has it, but its types do not. */
interface Locks {
  request(
    name: string,
    options: { readonly signal?: AbortSignal },
    callback: () => void | Promise<void>,
  ): Promise<unknown>;
}

/** Missing on pages that were not loaded securely, and in Deno before 2.9. */
const locks = (navigator as unknown as { readonly locks?: Locks }).locks;

/**
 * Takes a lock that only the worker's death frees.
 *
 * @param onHeld is given the lock's name when it is held
 */
export function holdForLife(onHeld: (lock: string) => void): void {
  if (!locks) return;
  const lock = crypto.randomUUID();
  locks.request(lock, {}, () => {
    onHeld(lock);
    return new Promise<void>(() => {});
  });
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

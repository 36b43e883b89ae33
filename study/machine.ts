/**
 * The machine that a model runs on, as far as the runtime tells.
 */

import { builtin, process } from "../io/builtin.ts";

/** Browsers tell no more than 8 GiB, in steps; Firefox and Safari nothing. */
const BROWSER_GIBIBYTES = 4;

/**
 * Bytes that the machine can give out, and no more than the process's control
 * group, such as a container's, has left for it. Linux ends a process that takes
 * more.
 */
export function freeMemory(): number {
  if (process?.availableMemory) {
    // Node heeds the group here, Deno does not.
    const available = process.availableMemory();
    // 0 where there is no group.
    const limit = process.constrainedMemory?.() ?? 0;
    if (limit === 0) return available;
    const left = Math.max(0, limit - process.memoryUsage().rss);
    return Math.min(available, left);
  }
  const { deviceMemory = BROWSER_GIBIBYTES } = (globalThis.navigator ??
    {}) as { readonly deviceMemory?: number };
  return deviceMemory * 2 ** 30;
}

/** Threads that the machine runs side by side. */
export function cores(): number {
  // Node 20 has no navigator.
  return globalThis.navigator?.hardwareConcurrency ??
    builtin<{ availableParallelism(): number }>("node:os")
      .availableParallelism();
}

/** What 32-bit addresses of WebAssembly reach. */
export const WASM_BYTES: number = 2 ** 32;

/** Bytes that one copy of a model can have on the CPU backend. */
export function cpuRoom(freeBytes: number): number {
  return Math.min(WASM_BYTES, freeBytes);
}

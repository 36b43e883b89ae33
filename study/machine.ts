/** The memory and cores of the machine, as far as the runtime reveals them. */

import { builtin, process } from "../io/builtin.ts";

/**
 * Browsers report at most 8 GiB, in coarse steps. Firefox and Safari report
 * nothing.
 */
const BROWSER_GIBIBYTES = 4;

/**
 * The bytes that the machine can give out, limited by the memory left to the
 * process's control group, such as a container's. Linux kills a process that
 * takes more.
 */
export function freeMemory(): number {
  if (process?.availableMemory) {
    // Node respects the group's limit here, Deno does not.
    const available = process.availableMemory();
    // The limit is 0 without a group.
    const limit = process.constrainedMemory?.() ?? 0;
    if (limit === 0) return available;
    const left = Math.max(0, limit - process.memoryUsage().rss);
    return Math.min(available, left);
  }
  const { deviceMemory = BROWSER_GIBIBYTES } = (globalThis.navigator ??
    {}) as { readonly deviceMemory?: number };
  return deviceMemory * 2 ** 30;
}

/** The number of threads that the machine runs in parallel. */
export function cores(): number {
  // Node 20 has no navigator.
  return globalThis.navigator?.hardwareConcurrency ??
    builtin<{ availableParallelism(): number }>("node:os")
      .availableParallelism();
}

/** The bytes that 32-bit addresses of WebAssembly can reach. */
export const WASM_BYTES: number = 2 ** 32;

/** The bytes that one copy of a model may take on the CPU backend. */
export function cpuRoom(freeBytes: number): number {
  return Math.min(WASM_BYTES, freeBytes);
}

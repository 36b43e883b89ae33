/** Time by the clock, and of processors, which others do not count in. */

import process from "node:process";

/** Time that something took. */
export interface Duration {
  /** Seconds by the clock. */
  readonly wall: number;
  /** Seconds of processor time, of all threads. */
  readonly processor: number;
}

/** Runs something and says what it took. */
export async function timed<T>(
  run: () => Promise<T>,
): Promise<Duration & { readonly result: T }> {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await run();
  const { user, system } = process.cpuUsage(before);
  const wall = (performance.now() - start) / 1e3;
  return { wall, processor: (user + system) / 1e6, result };
}

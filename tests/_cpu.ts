/** What tests of the CPU backend share. */

import type { Backend } from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";

/** The backends under test: as the runtime allows, and without relaxed SIMD. */
export const CPU_BACKENDS: readonly Backend[] = [
  createCpuBackend(),
  createCpuBackend({ relaxed: false }),
];

/** Random shapes per operation and backend. */
export const RUNS = 200;

/**
 * Backends by name, so that a message can name the backend of a worker.
 *
 * This module is browser compatible.
 */

import {
  type Backend,
  createReferenceBackend,
  multiplyInBlocks,
  type WeightOptions,
} from "../core/mod.ts";
import { createCpuBackend } from "../cpu/mod.ts";

/**
 * Where a model runs: "cpu" (WebAssembly SIMD) and "reference" (plain loops)
 * both on one core.
 */
export type Device = "cpu" | "reference";

/** Makes a backend on this thread. */
export function createBackend(
  device: Device,
  options: WeightOptions = {},
): Backend {
  switch (device) {
    case "cpu":
      return createCpuBackend(options);
    case "reference":
      return createReferenceBackend({ ...options, product: multiplyInBlocks });
  }
}

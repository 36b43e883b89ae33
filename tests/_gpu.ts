/**
 * What tests of the GPU backend share. Where there is no adapter, not even one
 * in software, they fail: a GPU test that is skipped proves nothing.
 */

import type { WeightType } from "../core/mod.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import { createGpuBackend, type GpuBackend, requestGpu } from "../gpu/mod.ts";

/** The device of a test file, destroyed when the file is done. */
export const device: GPUDevice = await requestGpu();
globalThis.addEventListener("unload", () => device.destroy());

/** The backend under test. */
export const gpu: GpuBackend = createGpuBackend(device);

/** A backend that computes as on hardware: in software too, only slower. */
export function asOnHardware(weightType: WeightType = "f32"): GpuBackend {
  const context = createContext(device, { weightType, software: false });
  return { ...backendOn(context), name: `as on a GPU, ${weightType}` };
}

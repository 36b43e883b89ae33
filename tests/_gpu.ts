/**
 * What tests of the GPU backend share. All tests of a file that imports this
 * need a GPU. Where `_adapter.ts` says so, they are left out: they have their
 * names, on a device that computes nothing, and Deno counts them as ignored.
 */

import type { WeightType } from "../core/mod.ts";
import { backendOn } from "../gpu/backend.ts";
import { createContext } from "../gpu/context.ts";
import { createGpuBackend, type GpuBackend, requestGpu } from "../gpu/mod.ts";
import { findWhyLeftOut, LEFT_OUT } from "./_adapter.ts";
import { createIdleDevice } from "./_idle_device.ts";

const leftOut = await findWhyLeftOut();
if (leftOut !== null) {
  const { test } = Deno;
  const leaveOut = (name: string, fn: () => void): void =>
    test({ name: name + LEFT_OUT, ignore: true, fn });
  Object.assign(Deno, { test: leaveOut });
}

/** The device of a test file, destroyed when the file is done. */
export const device: GPUDevice = leftOut === null
  ? await requestGpu()
  : createIdleDevice("no GPU");
globalThis.addEventListener("unload", () => device.destroy());

/** The backend under test. */
export const gpu: GpuBackend = createGpuBackend(device);

/** A backend that computes as on hardware: in software too, only slower. */
export function asOnHardware(weightType: WeightType = "f32"): GpuBackend {
  const context = createContext(device, { weightType, software: false });
  return { ...backendOn(context), name: `as on a GPU, ${weightType}` };
}

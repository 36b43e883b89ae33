/**
 * What tests of the GPU backend share. Where there is no adapter, not even one
 * in software, they fail: a GPU test that is skipped proves nothing.
 */

import { createGpuBackend, type GpuBackend, requestGpu } from "../gpu/mod.ts";

/** The device of a test file, destroyed when the file is done. */
export const device: GPUDevice = await requestGpu();
globalThis.addEventListener("unload", () => device.destroy());

/** The backend under test. */
export const gpu: GpuBackend = createGpuBackend(device);

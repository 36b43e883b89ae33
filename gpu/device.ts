/**
 * Requests a GPU device, and describes one.
 *
 * This module is browser compatible.
 */

import { GpuError } from "./failures.ts";

/** The limits that kernels use up to the adapter's maximum. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const;

/** The optional features that the backend uses. */
const FEATURES = ["shader-f16", "timestamp-query"] as const;

/**
 * Requests the fastest GPU with the limits of its adapter, and with the
 * features `shader-f16` and `timestamp-query` if the adapter has them.
 * `createGpuBackend` also accepts a device from elsewhere; WebGPU's default
 * limits are enough.
 *
 * @param gpu the WebGPU entry point; `navigator.gpu` by default
 * @throws {GpuError} the runtime has no WebGPU, or WebGPU has no adapter
 */
export async function requestGpu(
  gpu: GPU | undefined = globalThis.navigator?.gpu,
): Promise<GPUDevice> {
  const adapter = await gpu?.requestAdapter({
    powerPreference: "high-performance",
  });
  if (!adapter) {
    throw new GpuError(
      "unavailable",
      gpu
        ? "Cannot compute on a GPU as WebGPU finds no adapter"
        : "Cannot compute on a GPU as this runtime has no WebGPU",
    );
  }
  return await adapter.requestDevice({
    label: "tokensieve",
    requiredLimits: Object.fromEntries(
      LIMITS.map((name) => [name, adapter.limits[name]]),
    ),
    requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)),
  });
}

/** The names of adapters that compute on the CPU. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render|warp\b/i;

/**
 * Whether an adapter emulates a GPU in software. The CPU backend is faster
 * then.
 *
 * @param info `adapterInfo` of a device, or `info` of an adapter
 */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || SOFTWARE.test(gpuName(info));
}

/** The name of a GPU, for people. */
export function gpuName(info: GPUAdapterInfo): string {
  const { description, vendor, architecture, device } = info;
  return description ||
    [vendor, architecture, device].filter((word) => word).join(" ") ||
    "GPU";
}

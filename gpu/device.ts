/**
 * Getting a GPU, and what can go wrong with one.
 *
 * This module is browser compatible.
 */

/** Why a GPU could not do what was asked. */
export type GpuFailure =
  | "unavailable"
  | "compilation"
  | "validation"
  | "out-of-memory"
  | "internal"
  | "lost";

/** The one error of the GPU backend. */
export class GpuError extends Error {
  /** Always "GpuError". */
  override readonly name = "GpuError";
  /** What went wrong. */
  readonly failure: GpuFailure;
  /** The label of the kernel that failed, or of the last one before it. */
  readonly kernel: string | null;

  /** Says what went wrong, and in which kernel if in one. */
  constructor(
    failure: GpuFailure,
    message: string,
    kernel: string | null = null,
  ) {
    super(message);
    this.failure = failure;
    this.kernel = kernel;
  }
}

/** Limits of which kernels take what the adapter gives; others stay as WebGPU guarantees them. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const;

/** Features that kernels use where they are there. */
const FEATURES = ["shader-f16", "timestamp-query"] as const;

/**
 * Asks for the fastest GPU, with the adapter's real limits, and with
 * `shader-f16` and `timestamp-query` where it has them. `createGpuBackend` also
 * takes a device that was made elsewhere; one with WebGPU's default limits will
 * do.
 *
 * @param gpu where to ask; `navigator.gpu` by default
 * @throws {GpuError} there is no WebGPU, or no adapter
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

/** Names of adapters that compute on the CPU. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render|warp\b/i;

/**
 * Whether a GPU is none: WebGPU in software, which the CPU backend outruns.
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

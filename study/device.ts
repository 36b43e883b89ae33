/**
 * From `--device` to the backend that runs the model.
 */

import type { Backend, WeightOptions } from "../core/mod.ts";
import { createBackend, type Device } from "../eval/mod.ts";
import { process } from "../io/builtin.ts";
import { cpuRoom, freeMemory } from "./machine.ts";

import {
  availableMemory,
  createGpuBackend,
  GpuError,
  gpuName,
  isSoftware,
  requestGpu,
} from "../gpu/mod.ts";

/** What `--device` may say. */
export const DEVICE_CHOICES = ["auto", "cpu", "webgpu", "reference"] as const;

/** A value of `--device`. */
export type DeviceChoice = typeof DEVICE_CHOICES[number];

/** Where a model runs: on each core by itself, or on the GPU. */
export type ModelDevice = Device | "webgpu";

/** A device that was chosen, and a backend on it. */
export interface ChosenDevice {
  /** Its name. */
  readonly device: ModelDevice;
  /** In this thread. */
  readonly backend: Backend;
  /** Bytes that it has for a model; on a GPU as far as they were asked for. */
  readonly available: number;
  /**
   * Why "auto" is not WebGPU: the adapter that was passed over, or that there is
   * none; null where nothing was.
   */
  readonly passedOver: string | null;
}

/** Where adapters come from, for people whose machine has none. */
export const SOFTWARE_ADAPTERS =
  "one in software comes with the packages libvulkan1 and mesa-vulkan-drivers (Debian, Ubuntu); macOS has Metal, Windows has Direct3D";

/** What a backend is to hold, and how to get a GPU for it. */
export interface OpenOptions extends WeightOptions {
  /** Asks for a GPU. */
  readonly request?: () => Promise<GPUDevice>;
}

/**
 * Opens a backend. "auto" is WebGPU where the GPU is hardware: in software the
 * CPU backend is faster.
 *
 * @param bytes what the model will take
 * @param options what it holds, and how to get a GPU
 * @throws {GpuError} the choice is "webgpu" and there is no GPU; the message says
 *   where to get one
 */
export async function openDevice(
  choice: DeviceChoice,
  bytes: number,
  { weightType = "f32", request = requestGpuQuietly }: OpenOptions = {},
): Promise<ChosenDevice> {
  const onGpu = async (gpu: GPUDevice): Promise<ChosenDevice> => ({
    device: "webgpu",
    available: await availableMemory(gpu, bytes),
    backend: createGpuBackend(gpu, { weightType }),
    passedOver: null,
  });
  const onCore = (
    device: Device,
    passedOver: string | null = null,
  ): ChosenDevice => ({
    device,
    passedOver,
    available: device === "cpu" ? cpuRoom(freeMemory()) : freeMemory(),
    backend: createBackend(device, { weightType }),
  });
  switch (choice) {
    case "webgpu":
      try {
        return await onGpu(await request());
      } catch (error) {
        throw withRemedy(error);
      }
    case "auto": {
      const gpu = await request().catch(({ message }: Error) => message);
      if (typeof gpu === "string") {
        return onCore("cpu", gpu.replace(NO_GPU, ""));
      }
      if (!isSoftware(gpu.adapterInfo)) return await onGpu(gpu);
      gpu.destroy();
      return onCore(
        "cpu",
        `${gpuName(gpu.adapterInfo)} computes in software, slower than the CPU`,
      );
    }
    default:
      return onCore(choice);
  }
}

/** Begins the errors of `requestGpu`; the reason follows. */
const NO_GPU = /^Cannot compute on a GPU as /;

/**
 * Adds to the error of a missing adapter where to get one. A runtime without
 * WebGPU would not see that either.
 */
function withRemedy(error: unknown): unknown {
  return error instanceof GpuError && error.failure === "unavailable" &&
      globalThis.navigator?.gpu
    ? new GpuError(error.failure, `${error.message}: ${SOFTWARE_ADAPTERS}`)
    : error;
}

/** Where drivers look for a display. */
const DISPLAY = "XDG_RUNTIME_DIR";

/** Mesa's drivers write an error where the variable is not set, as in containers. */
async function requestGpuQuietly(): Promise<GPUDevice> {
  if (process && !process.env[DISPLAY]) process.env[DISPLAY] = "/";
  return await requestGpu();
}

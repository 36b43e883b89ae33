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

/** The values of `--device`. */
export const DEVICE_CHOICES = ["auto", "cpu", "webgpu", "reference"] as const;

/** A value of `--device`. */
export type DeviceChoice = typeof DEVICE_CHOICES[number];

/** The place where a model runs: every CPU core by itself, or the GPU. */
export type ModelDevice = Device | "webgpu";

/** The chosen device, with a backend on it. */
export interface ChosenDevice {
  /** The name of the device. */
  readonly device: ModelDevice;
  /** The backend in this thread. */
  readonly backend: Backend;
  /**
   * The bytes available to a model. On a GPU only the requested bytes are known
   * to be available.
   */
  readonly available: number;
  /**
   * Why "auto" did not choose WebGPU: the adapter that it passed over, or that
   * there is none. Null if nothing was passed over.
   */
  readonly passedOver: string | null;
}

/** Where to get an adapter, for people whose machine has none. */
export const SOFTWARE_ADAPTERS =
  "one in software comes with the packages libvulkan1 and mesa-vulkan-drivers (Debian, Ubuntu); macOS has Metal, Windows has Direct3D";

/** The weights that a backend will hold, and the way to get a GPU for it. */
export interface OpenOptions extends WeightOptions {
  /** Requests a GPU. */
  readonly request?: () => Promise<GPUDevice>;
}

/**
 * Opens a backend. "auto" chooses WebGPU only if the GPU is hardware, because
 * the CPU backend is faster than a GPU in software.
 *
 * @param bytes the bytes that the model will take
 * @param options the weights that it will hold, and the way to get a GPU
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

/** The beginning of the errors of `requestGpu`. The reason follows it. */
const NO_GPU = /^Cannot compute on a GPU as /;

/**
 * Adds to the error of a missing adapter where to get one. A runtime without
 * WebGPU would not see an installed adapter either.
 */
function withRemedy(error: unknown): unknown {
  return error instanceof GpuError && error.failure === "unavailable" &&
      globalThis.navigator?.gpu
    ? new GpuError(error.failure, `${error.message}: ${SOFTWARE_ADAPTERS}`)
    : error;
}

/** The variable that tells drivers where to find a display. */
const DISPLAY = "XDG_RUNTIME_DIR";

/**
 * Requests a GPU without the error that Mesa's drivers print if the variable is
 * not set, as in containers.
 */
async function requestGpuQuietly(): Promise<GPUDevice> {
  if (process && !process.env[DISPLAY]) process.env[DISPLAY] = "/";
  return await requestGpu();
}

/**
 * The state that the operations of the GPU backend share.
 *
 * This module is browser compatible.
 */

import type {
  WeightOptions,
  WeightType,
} from "../core/checkpoints/quantize.ts";
import { BufferPool, largestBinding, Uploader, USAGE } from "./buffers.ts";
import { isSoftware } from "./device.ts";
import { Failures } from "./failures.ts";
import { Runner } from "./runner.ts";
import { TensorPool } from "./tensors.ts";

/** A device, its tensors, and the runner of its kernels. */
export interface Context {
  /** The device. */
  readonly device: GPUDevice;
  /** The buffers of the tensors. */
  readonly buffers: BufferPool;
  /** The tensors. */
  readonly tensors: TensorPool;
  /** Writes host values to tensors. */
  readonly uploader: Uploader;
  /** Runs kernels. */
  readonly runner: Runner;
  /** The type in which the weights of `linear` are stored. */
  readonly weightType: WeightType;
  /** Whether the GPU is emulated on a CPU, where other tiles are faster. */
  readonly software: boolean;
}

/** Options of a context. */
export interface ContextOptions extends WeightOptions {
  /** Bytes that a kernel may bind. Default: the device's limit. */
  readonly bindable?: number;
  /** Default: `isSoftware` of the device. */
  readonly software?: boolean;
}

/** Makes a context without tensors. */
export function createContext(
  device: GPUDevice,
  {
    weightType = "f32",
    bindable = largestBinding(device),
    software = isSoftware(device.adapterInfo),
  }: ContextOptions = {},
): Context {
  const failures = new Failures(device);
  const { storage, copySource, copyTarget } = USAGE;
  const usage = storage | copySource | copyTarget;
  const buffers = new BufferPool(device, failures, usage);
  const tensors = new TensorPool(buffers, bindable);
  const runner = new Runner(device, failures, () => buffers.submitted());
  const uploader = new Uploader(device);
  return { device, buffers, tensors, uploader, runner, weightType, software };
}

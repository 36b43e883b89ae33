/**
 * What the operations of the GPU backend share.
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

/** A device, the tensors on it, and what runs kernels on them. */
export interface Context {
  /** The device. */
  readonly device: GPUDevice;
  /** The buffers of the tensors. */
  readonly buffers: BufferPool;
  /** The tensors. */
  readonly tensors: TensorPool;
  /** Writes to tensors. */
  readonly uploader: Uploader;
  /** The runner of kernels. */
  readonly runner: Runner;
  /** How the weights of `linear` are stored. */
  readonly weightType: WeightType;
  /** Whether kernels run on a CPU, which wants other tiles than a GPU. */
  readonly software: boolean;
}

/** What else may be said of a context. */
export interface ContextOptions extends WeightOptions {
  /** Bytes that a kernel may bind. Default: what the device allows. */
  readonly bindable?: number;
  /** Default: what `isSoftware` says of the device. */
  readonly software?: boolean;
}

/** Starts without tensors, and with nothing to run. */
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

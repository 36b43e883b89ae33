/**
 * What `pool.ts` and `worker.ts` say to each other.
 *
 * This module is browser compatible.
 */

import type {
  ModelConfig,
  Normalization,
  TensorStore,
  WeightType,
} from "../core/mod.ts";
import type { SampleResult } from "../search/evaluate.ts";
import type { BatchRun } from "./batch_runner.ts";
import type { BatchSet } from "./batches.ts";
import type { Device } from "./device.ts";

/** The model, and where to run it. The first thing that a worker is told. */
export interface LoadRequest {
  readonly kind: "load";
  readonly device: Device;
  readonly weightType: WeightType;
  readonly config: ModelConfig;
  readonly normalization: Normalization;
  /** What the checkpoint holds, to be asked for by name. */
  readonly tensors: TensorStore["tensors"];
}

/** The values of a tensor, or why there are none. */
export type TensorResult =
  | { readonly values: Float32Array }
  | { readonly error: unknown };

/** What became of a tensor that the worker asked for. */
export type TensorMessage = TensorResult & {
  readonly kind: "tensor";
  /** Which time of asking this answers. */
  readonly number: number;
};

/** The worker's share of a sample set. */
export interface AddRequest {
  readonly kind: "add";
  /** The set's number. */
  readonly set: number;
  readonly share: BatchSet;
}

/** One batch to run. Answered by one reply, and asked one at a time. */
export interface RunRequest {
  readonly kind: "run";
  /** The set's number. */
  readonly set: number;
  /** Its place in the worker's share of that set. */
  readonly batch: number;
  /** How. */
  readonly run: BatchRun;
}

/** What a worker is told. */
export type WorkerRequest =
  | LoadRequest
  | TensorMessage
  | AddRequest
  | RunRequest;

/** What a worker says. */
export type WorkerReply =
  /** Once: it holds this lock, as long as it lives. */
  | { readonly kind: "alive"; readonly lock: string }
  /** It needs what `TensorStore.read` gives, for the so-manieth time. */
  | {
    readonly kind: "read";
    readonly number: number;
    readonly args: Parameters<TensorStore["read"]>;
  }
  /** The batch was run. */
  | { readonly kind: "results"; readonly results: readonly SampleResult[] }
  /** The batch could not be run, and never can. */
  | { readonly kind: "error"; readonly error: unknown };

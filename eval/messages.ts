/**
 * The messages between `pool.ts` and `worker.ts`.
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

/** The model and its device: the first message to a worker. */
export interface LoadRequest {
  readonly kind: "load";
  readonly device: Device;
  readonly weightType: WeightType;
  readonly config: ModelConfig;
  readonly normalization: Normalization;
  /** Names and shapes of the checkpoint's tensors. */
  readonly tensors: TensorStore["tensors"];
}

/** The values of a tensor, or the error of reading it. */
export type TensorResult =
  | { readonly values: Float32Array }
  | { readonly error: unknown };

/** The answer to a worker's request for a tensor. */
export type TensorMessage = TensorResult & {
  readonly kind: "tensor";
  /** Number of the request that it answers. */
  readonly number: number;
};

/** The worker's share of a sample set. */
export interface AddRequest {
  readonly kind: "add";
  /** The set's number. */
  readonly set: number;
  readonly share: BatchSet;
}

/** One batch to run. The pool sends the next after the reply. */
export interface RunRequest {
  readonly kind: "run";
  /** The set's number. */
  readonly set: number;
  /** Its index in the worker's share of that set. */
  readonly batch: number;
  /** How to run it. */
  readonly run: BatchRun;
}

/** Messages to a worker. */
export type WorkerRequest =
  | LoadRequest
  | TensorMessage
  | AddRequest
  | RunRequest;

/** Messages from a worker. */
export type WorkerReply =
  /** Once: the lock that it holds while it lives. */
  | { readonly kind: "alive"; readonly lock: string }
  /** A request for `TensorStore.read` with these arguments; requests are numbered. */
  | {
    readonly kind: "read";
    readonly number: number;
    readonly args: Parameters<TensorStore["read"]>;
  }
  /** The results of the batch. */
  | { readonly kind: "results"; readonly results: readonly SampleResult[] }
  /** The batch failed; running it again would fail too. */
  | { readonly kind: "error"; readonly error: unknown };

/**
 * One worker per core: each loads the model once and runs its share of the
 * samples on one thread. Samples are independent of one another, so results do
 * not depend on the number of workers.
 *
 * This module is browser compatible.
 */

import type {
  LlavaConfig,
  LlavaSource,
  Normalization,
  Schedule,
} from "../core/mod.ts";
import type {
  Evaluate,
  EvaluateOptions,
  Evaluation,
  SampleResult,
} from "../search/evaluate.ts";
import type { EvaluatorOptions, SampleSet } from "./evaluator.ts";

/** A tensor of a checkpoint, in memory. */
export interface StoredTensor {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array;
}

/** What a worker is told. Sets and runs are named by numbers. */
export type WorkerRequest =
  | {
    readonly kind: "load";
    readonly config: LlavaConfig;
    readonly normalization: Normalization;
    readonly tensors: ReadonlyMap<string, StoredTensor>;
  }
  | {
    readonly kind: "add";
    readonly set: number;
    readonly samples: SampleSet;
    readonly options: Omit<EvaluatorOptions, "onProgress">;
  }
  | {
    readonly kind: "run";
    readonly set: number;
    readonly schedule: Schedule;
    readonly fixedLayers: number;
  }
  | { readonly kind: "stop" };

/** What a worker says of its share of a run: after each batch, and at the end. */
export interface WorkerReply {
  /** Results since the last reply. */
  readonly results: readonly SampleResult[];
  /** Whether the share is done, or was stopped. */
  readonly done: boolean;
  /** Why it was not finished, where something went wrong. */
  readonly error?: unknown;
}

/** Workers that evaluate one model. */
export interface EvaluatorPool extends Disposable {
  /**
   * Hands a sample set to the workers. One run goes on at a time in the whole
   * pool; else as `createEvaluator` of this module's neighbour.
   */
  createEvaluator(set: SampleSet, options?: EvaluatorOptions): Evaluate;
  /** Ends the workers. */
  [Symbol.dispose](): void;
}

/**
 * Starts workers with the reference backend.
 *
 * @param source the model; its weights are copied to every worker
 * @param count workers, usually `navigator.hardwareConcurrency`
 */
export async function createEvaluatorPool(
  { config, normalization, tensors }: LlavaSource,
  count: number,
): Promise<EvaluatorPool> {
  const stored = new Map<string, StoredTensor>();
  for (const [name, { shape }] of tensors.tensors) {
    stored.set(name, { shape, data: await tensors.read(name) });
  }
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      type: "module",
    });
    post(worker, { kind: "load", config, normalization, tensors: stored });
    return worker;
  });
  let sets = 0;
  return {
    createEvaluator(all, { onProgress, ...options } = {}) {
      const set = sets++;
      const busy = workers.filter((worker, share) => {
        const samples = shareOf(all, share, count);
        if (samples.samples.length > 0) {
          post(worker, { kind: "add", set, samples, options });
        }
        return samples.samples.length > 0;
      });
      return (schedule, options) =>
        runOnAll(
          busy,
          set,
          schedule,
          all.samples.length,
          options ?? {},
          onProgress,
        );
    },
    [Symbol.dispose]: () => workers.forEach((worker) => worker.terminate()),
  };
}

function post(worker: Worker, request: WorkerRequest): void {
  worker.postMessage(request);
}

/** Samples of every count-th image: questions about one image stay together. */
function shareOf(
  { images, samples }: SampleSet,
  share: number,
  count: number,
): SampleSet {
  return {
    images: images.filter((_, image) => image % count === share),
    samples: samples.map((sample, place) => ({ number: place, ...sample }))
      .filter(({ image }) => image % count === share)
      .map((sample) => ({
        ...sample,
        image: Math.floor(sample.image / count),
      })),
  };
}

/** One run on all workers, until all are done or have been stopped. */
function runOnAll(
  workers: readonly Worker[],
  set: number,
  schedule: Schedule,
  total: number,
  { fixedLayers = 0, stop, signal }: EvaluateOptions,
  onProgress?: (done: number, total: number) => void,
): Promise<Evaluation> {
  const { promise, resolve, reject } = Promise.withResolvers<Evaluation>();
  const samples: SampleResult[] = [];
  let running = workers.length;
  let stopped = false;
  let failure: unknown = null;
  const stopAll = (): void => {
    stopped = true;
    for (const worker of workers) post(worker, { kind: "stop" });
  };
  for (const worker of workers) {
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot go on as a worker failed: ${event.message}`));
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      if (data.error) {
        failure = data.error;
        stopAll();
      }
      // What comes in after the outcome was certain is not counted any more.
      if (!stopped) {
        samples.push(...data.results);
        onProgress?.(samples.length, total);
        if (samples.length < total && stop?.({ samples, total })) stopAll();
      }
      if (data.done && --running === 0) {
        signal?.removeEventListener("abort", stopAll);
        if (failure) return reject(failure);
        if (signal?.aborted) return reject(signal.reason);
        samples.sort((a, b) => a.index - b.index);
        resolve({ samples, total });
      }
    };
    post(worker, { kind: "run", set, schedule, fixedLayers });
  }
  signal?.addEventListener("abort", stopAll);
  if (signal?.aborted) stopAll();
  return promise;
}

/**
 * The other end of `pool.ts`: a worker that holds a model and runs batches of
 * its share of each sample set, one at a time.
 *
 * An entry of its own, so that packages hold it. Where a build puts it elsewhere
 * than beside `pool.ts`, `createEvaluatorPool` is told how to start it.
 *
 * This module is browser compatible.
 *
 * @example Start it from a bundle
 * ```ts ignore
 * import { createEvaluatorPool } from "@tokensieve/tokensieve";
 * import WorkerOfPage from "@tokensieve/tokensieve/worker?worker"; // Vite
 *
 * const createWorker = () => new WorkerOfPage();
 * const pool = createEvaluatorPool(model.source, 2, { createWorker });
 * ```
 *
 * @module
 */

import {
  loadVisionLanguageModel,
  type TensorStore,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { type BatchRunner, createBatchRunner } from "./batch_runner.ts";
import { defer } from "./deferred.ts";
import { createBackend } from "./device.ts";
import { holdForLife } from "./life.ts";
import type {
  AddRequest,
  LoadRequest,
  RunRequest,
  TensorMessage,
  WorkerReply,
  WorkerRequest,
} from "./messages.ts";

/** The part of a worker's global scope that is used; typed for all runtimes. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerRequest>) => void;
  onmessageerror: () => void;
  postMessage(reply: WorkerReply): void;
};

let model: Promise<VisionLanguageModel>;
/** Who takes each answer from the checkpoint, by the number of the question. */
const readers = new Map<number, (message: TensorMessage) => void>();
let reads = 0;
/** By the number of the set. */
const runners = new Map<number, Promise<BatchRunner>>();

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case "load":
      model = load(data);
      // Where it fails, each run says so.
      model.catch(() => {});
      break;
    case "tensor":
      readers.get(data.number)!(data);
      // What was read is not to be held here.
      readers.delete(data.number);
      break;
    case "add":
      add(data);
      break;
    case "run":
      answer(data).then(scope.postMessage.bind(scope));
  }
};

// What cannot be read cannot be answered: the pool is to start another worker.
scope.onmessageerror = () => {
  throw new Error("it could not read a message");
};

async function load(
  { device, weightType, config, normalization, tensors }: LoadRequest,
): Promise<VisionLanguageModel> {
  const lock = await holdForLife();
  if (lock !== null) scope.postMessage({ kind: "alive", lock });
  return await loadVisionLanguageModel(createBackend(device, { weightType }), {
    config,
    normalization,
    tensors: { tensors, read },
    label: "the model",
  });
}

/** Has the pool read the checkpoint. */
function read(
  ...args: Parameters<TensorStore["read"]>
): Promise<Float32Array> {
  const { promise, resolve, reject } = defer<Float32Array>();
  const number = reads++;
  readers.set(number, (message) => {
    if ("error" in message) reject(message.error);
    else resolve(message.values);
  });
  scope.postMessage({ kind: "read", number, args });
  return promise;
}

function add({ set, share }: AddRequest): void {
  const runner = model.then((model) => createBatchRunner(model, share));
  runner.catch(() => {});
  runners.set(set, runner);
}

async function answer(
  { set, batch, run }: RunRequest,
): Promise<WorkerReply> {
  try {
    const runner = await runners.get(set)!;
    const results = await runner.run(batch, run);
    return { kind: "results", results };
  } catch (error) {
    return { kind: "error", error };
  }
}

/**
 * The worker of `pool.ts`: it holds a model and runs the batches of its share of
 * each sample set, one at a time.
 *
 * It is an entry point of its own, so that packages contain it. If a build puts it
 * elsewhere than beside `pool.ts`, pass `createWorker` to `createEvaluatorPool`.
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

/** The used part of a worker's global scope, typed for all runtimes. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerRequest>) => void;
  onmessageerror: () => void;
  postMessage(reply: WorkerReply): void;
};

let model: Promise<VisionLanguageModel>;
/** Resolvers of the tensors under way, by the number of the request. */
const readers = new Map<number, (message: TensorMessage) => void>();
let reads = 0;
/** Runners by the number of their set. */
const runners = new Map<number, Promise<BatchRunner>>();

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case "load":
      model = load(data);
      // If loading fails, each run reports it.
      model.catch(() => {});
      break;
    case "tensor":
      readers.get(data.number)!(data);
      // The closure would keep the values alive.
      readers.delete(data.number);
      break;
    case "add":
      add(data);
      break;
    case "run":
      answer(data).then(scope.postMessage.bind(scope));
  }
};

// A message that cannot be read has no answer. The error makes the pool start
// another worker.
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

/** Asks the pool for a tensor of the checkpoint. */
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

/**
 * The other end of `pool.ts`: a worker that holds a model and runs batches of
 * its share of each sample set, one at a time.
 *
 * This module is browser compatible.
 */

import {
  loadVisionLanguageModel,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { createBatchRunner, type RunBatch } from "./batch_runner.ts";
import { createBackend } from "./device.ts";
import { holdForLife } from "./life.ts";
import type {
  AddRequest,
  LoadRequest,
  RunRequest,
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
/** By the number of the set. */
const runners = new Map<number, Promise<RunBatch>>();

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case "load":
      model = load(data);
      // Where it fails, each run says so.
      model.catch(() => {});
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
    tensors: {
      tensors,
      read: (name, rows) => {
        const { data, shape: [count] } = tensors.get(name)!;
        const { start, length } = rows ?? { start: 0, length: count };
        const width = data.length / count;
        return Promise.resolve(
          data.slice(start * width, (start + length) * width),
        );
      },
    },
    label: "the model",
  });
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
    const runBatch = await runners.get(set)!;
    const results = await runBatch(batch, run);
    return { kind: "results", results };
  } catch (error) {
    return { kind: "error", error };
  }
}

/**
 * The other end of `pool.ts`: a worker that holds a model and runs batches of
 * its share of each sample set, one at a time.
 *
 * This module is browser compatible.
 */

import { type LlavaModel, loadLlava } from "../core/mod.ts";
import { createBatchRunner, type RunBatch } from "./batches.ts";
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

let model: Promise<LlavaModel>;
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
      run(data).then(scope.postMessage.bind(scope));
  }
};

// What cannot be read cannot be answered: the pool is to start another worker.
scope.onmessageerror = () => {
  throw new Error("it could not read a message");
};

async function load(
  { device, config, normalization, tensors }: LoadRequest,
): Promise<LlavaModel> {
  const lock = await holdForLife();
  if (lock !== null) scope.postMessage({ kind: "alive", lock });
  return await loadLlava(createBackend(device), {
    config,
    normalization,
    tensors: {
      tensors,
      read: (name) => Promise.resolve(tensors.get(name)!.data),
    },
    label: "the model",
  });
}

function add({ set, share, options }: AddRequest): void {
  const runner = model.then((model) =>
    createBatchRunner(model, share, options)
  );
  runner.catch(() => {});
  runners.set(set, runner);
}

async function run(
  { set, batch, schedule, fixedLayers }: RunRequest,
): Promise<WorkerReply> {
  try {
    const runBatch = await runners.get(set)!;
    const results = await runBatch(batch, schedule, fixedLayers);
    return { kind: "results", results };
  } catch (error) {
    return { kind: "error", error };
  }
}

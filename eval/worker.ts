/**
 * The other end of `pool.ts`: a worker that holds a model and runs its share
 * of a sample set.
 *
 * This module is browser compatible.
 */

import {
  createReferenceBackend,
  type LlavaModel,
  loadLlava,
} from "../core/mod.ts";
import type { Evaluate } from "../search/evaluate.ts";
import { createEvaluator } from "./evaluator.ts";
import type { WorkerReply, WorkerRequest } from "./pool.ts";

/** The part of a worker's global scope that is used; typed for all runtimes. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerRequest>) => void;
  postMessage(reply: WorkerReply): void;
};

let model: Promise<LlavaModel>;
/** By number; promises, because the next message may come before the model. */
const sets = new Map<number, Promise<Evaluate>>();
let stopped = false;

scope.onmessage = async ({ data }) => {
  switch (data.kind) {
    case "load": {
      const { config, normalization, tensors } = data;
      model = loadLlava(createReferenceBackend(), {
        config,
        normalization,
        tensors: {
          tensors,
          read: (name) => Promise.resolve(tensors.get(name)!.data),
        },
        label: "the model",
      });
      break;
    }
    case "add": {
      const { set, samples, options } = data;
      sets.set(
        set,
        model.then((model) => createEvaluator(model, samples, options)),
      );
      break;
    }
    case "run": {
      stopped = false;
      let sent = 0;
      try {
        const evaluate = await sets.get(data.set)!;
        await evaluate(data.schedule, {
          fixedLayers: data.fixedLayers,
          stop: ({ samples }) => {
            scope.postMessage({ results: samples.slice(sent), done: false });
            sent = samples.length;
            return stopped;
          },
        });
        scope.postMessage({ results: [], done: true });
      } catch (error) {
        scope.postMessage({ results: [], done: true, error });
      }
      break;
    }
    case "stop":
      stopped = true;
  }
};

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
const sets = new Map<
  number,
  Promise<{ evaluate: Evaluate; numbers: readonly number[] }>
>();
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
      const { set, samples, numbers, options } = data;
      sets.set(
        set,
        model.then((model) => ({
          evaluate: createEvaluator(model, samples, options),
          numbers,
        })),
      );
      break;
    }
    case "run": {
      stopped = false;
      const { evaluate, numbers } = await sets.get(data.set)!;
      let sent = 0;
      await evaluate(data.schedule, {
        fixedLayers: data.fixedLayers,
        stop: ({ samples }) => {
          const results = samples.slice(sent).map((result) => ({
            ...result,
            index: numbers[result.index],
          }));
          sent = samples.length;
          scope.postMessage({ results, done: false });
          return stopped;
        },
      });
      scope.postMessage({ results: [], done: true });
      break;
    }
    case "stop":
      stopped = true;
  }
};

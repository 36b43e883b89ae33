/** Creates the evaluators of a model on the device it was loaded for. */

import {
  createEvaluatorPool,
  createEvaluators,
  type Evaluators,
} from "../eval/mod.ts";
import { cores, freeMemory } from "./machine.ts";
import type { LoadedModel } from "./load.ts";
import { copiesThatFit } from "./memory_plan.ts";
import { createWorker } from "./threads.ts";

/**
 * Creates the evaluators of a model. On the CPU there is one worker per core,
 * or fewer if memory is short, because each worker holds the weights. On a GPU
 * there is one evaluator in this process, which keeps the whole GPU busy.
 */
export function openEvaluators(
  { model, source, device, weightType, plan }: LoadedModel,
): Evaluators {
  if (device === "webgpu") return createEvaluators(model);
  const workers = copiesThatFit(plan.total, {
    freeBytes: freeMemory(),
    cores: cores(),
  });
  return workers === 0
    ? createEvaluators(model)
    : createEvaluatorPool(source, workers, {
      device,
      weightType,
      ...createWorker && { createWorker },
    });
}

/**
 * The approximate number of bytes that the activations of a batch may take on a
 * GPU.
 */
const BATCH_BYTES = 2 ** 30;

/**
 * Samples per batch if a trial may stop after each batch. It is one where a
 * sample takes as long alone as in a batch. On a GPU the samples of a batch run
 * in parallel: eight of a small model. One sample of a large model fills the
 * GPU, and a batch would fill its memory.
 */
export function searchBatchSize(
  { device, plan }: Pick<LoadedModel, "device" | "plan">,
): number {
  if (device !== "webgpu") return 1;
  const fitting = Math.floor(BATCH_BYTES / plan.activations);
  return Math.max(1, Math.min(fitting, 8));
}

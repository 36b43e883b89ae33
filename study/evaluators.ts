/**
 * What evaluates a model on the device it was loaded for.
 */

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
 * Makes evaluators of a model: on the CPU with one worker per core, or as many
 * as there is memory for, since each has the weights; on a GPU in this process,
 * for one evaluator keeps all of it busy.
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

/** Bytes that the activations of a batch may take on a GPU, roughly. */
const BATCH_BYTES = 2 ** 30;

/**
 * Samples per batch when a trial may be stopped after each: one where a sample
 * takes as long as its share of a batch. On a GPU they run side by side, eight
 * of a small model; of a large one, one fills the GPU, and a batch its memory.
 */
export function searchBatchSize(
  { device, plan }: Pick<LoadedModel, "device" | "plan">,
): number {
  if (device !== "webgpu") return 1;
  const fitting = Math.floor(BATCH_BYTES / plan.activations);
  return Math.max(1, Math.min(fitting, 8));
}

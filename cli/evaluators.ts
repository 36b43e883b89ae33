/**
 * What evaluates a model on the device it was loaded for.
 */

import {
  createEvaluatorPool,
  createEvaluators,
  type Evaluators,
} from "../eval/mod.ts";
import type { LoadedModel } from "./load.ts";

/**
 * Makes evaluators of a model: on the CPU with one worker per core; on a GPU in
 * this process, for one evaluator keeps all of it busy.
 */
export function openEvaluators(
  { model, source, device, weightType }: LoadedModel,
): Evaluators {
  if (device !== "webgpu") {
    const cores = navigator.hardwareConcurrency;
    return createEvaluatorPool(source, cores, { device, weightType });
  }
  return createEvaluators(model);
}

/**
 * Samples per batch when a trial may be stopped after each: few where a sample
 * takes as long as its share of a batch, more where they run side by side.
 */
export function searchBatchSize({ device }: LoadedModel): number {
  return device === "webgpu" ? 8 : 1;
}

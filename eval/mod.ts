/**
 * From a model and questions to an `Evaluate` function, and the embedded task:
 * seeded scenes with questions about them. No file system, no dependencies.
 *
 * @example A scene and what can be asked about it
 * ```ts
 * import { makeQuestions } from "@tokensieve/tokensieve/eval";
 *
 * const [{ scene, questions }] = makeQuestions("heldout", 0, 4);
 * console.log(scene.pixels.length); // 96 × 96 × 3 = 27648
 * for (const { words, answer } of questions) {
 *   console.log(words.join(" "), answer);
 * }
 * ```
 *
 * @module
 */

export * from "./answer_metrics.ts";
export * from "./attention.ts";
export type { BatchOptions } from "./batch_runner.ts";
export { type Sample, type SampleSet, visionTokensOf } from "./batches.ts";
export * from "./choices.ts";
export { createBackend, type Device } from "./device.ts";
export {
  createEvaluator,
  createEvaluators,
  type EvaluatorOptions,
  type Evaluators,
} from "./evaluator.ts";
export * from "./metrics.ts";
export * from "./pool.ts";
export * from "./scene_questions.ts";
export * from "./scenes.ts";
export * from "./generation.ts";
export * from "./statistics.ts";
export * from "./task.ts";
export * from "./timing.ts";
export * from "./vqa.ts";
export type {
  Evaluate,
  EvaluateOptions,
  Evaluation,
  SampleResult,
} from "../search/evaluate.ts";
export type { Schedule } from "../core/schedule.ts";

/**
 * A model, ready to be asked: from the place of its folder to answers, under a
 * schedule or with all vision tokens, in Deno, Node, Bun and browsers.
 *
 * @example Ask the embedded model, with all vision tokens and with fewer
 * ```ts
 * import {
 *   drawScene,
 *   fromKeepCounts,
 *   loadModel,
 *   sceneRandom,
 * } from "@tokensieve/tokensieve";
 *
 * const model = await loadModel(); // or a path, an address, a browser's files
 * const { pixels } = drawScene(sceneRandom("heldout", 0, 3));
 * const image = { width: 96, height: 96, data: pixels }; // or a file's bytes
 * const schedule = fromKeepCounts([144, 144, 67, 48, 45, 22, 3, 3], 144);
 * const full = await model.ask(image, "how many red shapes ?");
 * const less = await model.ask(image, "how many red shapes ?", { schedule });
 * console.log(less.text, less.fullFlops / less.flops);
 * ```
 *
 * @module
 */

export {
  type Answer,
  type AskedModel,
  type Conversation,
  type ConversationOptions,
  MAX_TOKENS,
  openConversation,
} from "./conversation.ts";
export {
  DEVICE_CHOICES,
  type DeviceChoice,
  type ModelDevice,
} from "./device.ts";
export { openEvaluators, searchBatchSize } from "./evaluators.ts";
export { type AnyImage, type RgbaImage, toRgbImage } from "./image.ts";
export {
  type AnswerOptions,
  type LoadedModel,
  loadModel,
  type LoadOptions,
} from "./load.ts";
export type { MemoryPlan, MemoryRoom } from "./memory_plan.ts";
export * from "./budgets.ts";
export * from "./compare.ts";
export * from "./defaults.ts";
export * from "./fingerprint.ts";
export * from "./metrics.ts";
export * from "./questions.ts";
export * from "./records.ts";
export { modelShape } from "./shape.ts";
export * from "./study.ts";
export * from "./tables.ts";

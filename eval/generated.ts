/**
 * Answers that a model generates by itself, for metrics that compare words.
 *
 * This module is browser compatible.
 */

import {
  type Context,
  contextTensors,
  extend,
  sampleToken,
  type VisionLanguageModel,
} from "../core/mod.ts";

/** Where an answer ends. */
export interface GenerationLimits {
  /** Tokens that end it, and are not part of it. */
  readonly stopTokens: readonly number[];
  /** The most tokens that it has. */
  readonly maxTokens: number;
}

/**
 * Generates the answers of a batch side by side, the likeliest token each time.
 *
 * @param context where to begin; freed on the way
 * @returns token ids of each answer
 */
export async function generateAnswers(
  model: VisionLanguageModel,
  context: Context,
  { stopTokens, maxTokens }: GenerationLimits,
): Promise<number[][]> {
  const { backend } = model;
  const [B, , V] = context.logits.shape;
  const answers: number[][] = Array.from({ length: B }, () => []);
  const ended: boolean[] = Array(B).fill(false);
  try {
    for (let length = 1; length <= maxTokens; length++) {
      const logits = await backend.read(context.logits);
      const next = answers.map((_, b) =>
        sampleToken(logits.subarray(b * V, (b + 1) * V))
      );
      for (const [b, id] of next.entries()) {
        ended[b] ||= stopTokens.includes(id);
        if (!ended[b]) answers[b].push(id);
      }
      if (ended.every(Boolean) || length === maxTokens) break;
      // Those that have ended go on, and what they add is dropped.
      const { context: longer } = backend.scope(() =>
        extend(model, context, next.map((id) => [id]))
      );
      backend.free(contextTensors(context));
      context = longer;
    }
    return answers;
  } finally {
    backend.free(contextTensors(context));
  }
}

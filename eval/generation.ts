/**
 * Generates answers of a batch, for metrics that compare words.
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

/** Where a generated answer ends. */
export interface GenerationLimits {
  /** Tokens that end an answer and do not belong to it. */
  readonly stopTokens: readonly number[];
  /** The most tokens of an answer. */
  readonly maxTokens: number;
}

/**
 * Generates the answers of a batch together, with the likeliest token each time.
 *
 * @param context the batch after prefill; this function frees it
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
      // Ended answers run along, but their tokens are dropped.
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

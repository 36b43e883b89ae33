/**
 * The attention that vision tokens receive, layer by layer: the data behind
 * the paper's finding that neighbouring layers rank them alike (section 2).
 *
 * This module is browser compatible.
 */

import {
  type AttentionRanking,
  embedImages,
  embedPrompts,
  fullSchedule,
  type LlavaModel,
  runDecoder,
  type Tensor,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";
import { eventLoopTurn } from "./evaluator.ts";

/** Options of `attentionByLayer`. */
export interface AttentionOptions {
  /** Whose attention counts. Default "instruction". */
  readonly ranking?: AttentionRanking;
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Scores of the vision tokens in every layer of the unreduced model.
 *
 * @returns shape [samples][L][N]
 */
export async function attentionByLayer(
  model: LlavaModel,
  { images, samples }: SampleSet,
  { ranking = "instruction", signal }: AttentionOptions = {},
): Promise<Float32Array[][]> {
  const { backend, config } = model;
  const L = config.decoder.layers;
  const schedule = fullSchedule(L, config.visionTokens);
  const scores: Float32Array[][] = [];
  for (const { image, prompt } of samples) {
    signal?.throwIfAborted();
    const layers = backend.scope(() => {
      const visionTokens = embedImages(model, [images[image]]);
      let state = embedPrompts(model, visionTokens, [prompt]);
      return Array.from({ length: L }, (_, from): Tensor => {
        state = runDecoder(model, state, schedule, {
          from,
          to: from + 1,
          ranking,
        });
        return state.scores!;
      });
    });
    scores.push(await Promise.all(layers.map((layer) => backend.read(layer))));
    backend.free(layers);
    await eventLoopTurn();
  }
  return scores;
}

/**
 * The attention that vision tokens receive, layer by layer: the data behind
 * the paper's finding that neighbouring layers rank them alike (docs/method.md,
 * "Layers rank alike").
 *
 * This module is browser compatible.
 */

import {
  type AttentionRanking,
  fullSchedule,
  runDecoder,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";
import { forEachSample } from "./samples.ts";

/** Options of `attentionByLayer`. */
export interface AttentionOptions {
  /** The ranking whose scores are returned. Default "instruction". */
  readonly ranking?: AttentionRanking;
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Scores of the vision tokens in every layer of the unreduced model.
 *
 * @returns shape [samples][L][N], where N is that of the sample's image
 */
export async function attentionByLayer(
  model: VisionLanguageModel,
  set: SampleSet,
  { ranking = "instruction", signal }: AttentionOptions = {},
): Promise<Float32Array[][]> {
  const L = model.config.decoder.layers;
  const scores: Float32Array[][] = [];
  await forEachSample(model, set, {
    compute: (state) => {
      const schedule = fullSchedule(L, state.vision.length);
      return Array.from({ length: L }, (_, from): Tensor => {
        const options = { from, to: from + 1, ranking };
        state = runDecoder(model, state, schedule, options);
        return state.scores!;
      });
    },
    use: (layers) => scores.push(layers),
    signal,
  });
  return scores;
}

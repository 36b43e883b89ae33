/**
 * Sort & Reduce (paper section 1): which vision tokens stay.
 *
 * At layer i the vision tokens are sorted by the attention they received in
 * layer i − 1, and the best keep[i] stay; a removed token is gone for all
 * later layers. This file decides; moving the survivors is an operation of the
 * backend. Keep counts come from the schedule, so nothing is read back.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor } from "./backend.ts";
import { createRandom } from "./random.ts";

/**
 * How vision tokens are ranked:
 * - `instruction`: by the attention from all tokens after the image, summed
 *   (the paper's rule);
 * - `last`: by the attention from the last token alone (FastV's rule);
 * - `random`: in a random order per sample, fixed for all layers; the control
 *   that shows what ranking is worth.
 */
export type Ranking = "instruction" | "last" | "random";

/** All rankings, for whoever lets a user choose. */
export const RANKINGS: readonly Ranking[] = ["instruction", "last", "random"];

/**
 * Position ids of the survivors: as they were (`original`, FastV's rule and
 * our default) or numbered anew without gaps (`reindexed`).
 */
export type PositionRule = "original" | "reindexed";

/** A batch on its way through the decoder: what enters a layer. */
export interface DecoderState {
  /** Hidden states, shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Position ids, shape [B, S]. */
  readonly positions: Indices;
  /** Where in the sequence the n vision tokens are, in every sample. */
  readonly vision: Span;
  /** Tokens that the sequence had before any were removed. */
  readonly length: number;
  /**
   * Rank of every vision token still there, shape [B, n], higher stays longer:
   * the attention it received in the layer before, or a random number. Null
   * before layer 0 unless the ranking is random.
   */
  readonly scores: Tensor | null;
}

/**
 * Sorts the vision tokens by score and keeps the best, in their old order.
 * System and instruction tokens always stay.
 *
 * @param keep how many vision tokens stay, at most those there
 */
export function sortAndReduce(
  backend: Backend,
  state: DecoderState,
  keep: number,
  rule: PositionRule,
): DecoderState {
  const { hidden, positions, vision, scores } = state;
  if (keep === vision.length) return state;

  const kept = backend.topK(scores!, keep);
  const all = { start: 0, length: vision.length };
  return {
    ...state,
    hidden: backend.gatherRows(hidden, kept, vision),
    positions: rule === "original"
      ? backend.gatherRows(positions, kept, vision)
      : countUp(
        backend,
        hidden.shape[0],
        hidden.shape[1] - vision.length + keep,
      ),
    vision: { start: vision.start, length: keep },
    scores: backend.gatherRows(scores!, kept, all),
  };
}

/** The queries whose attention ranks the vision tokens in a sequence of S. */
export function scoringRows(
  ranking: Exclude<Ranking, "random">,
  vision: Span,
  S: number,
): Span {
  const start = ranking === "last" ? S - 1 : vision.start + vision.length;
  return { start, length: S - start };
}

/** Position ids first … first + S − 1 for every sample, shape [B, S]. */
export function countUp(
  backend: Backend,
  B: number,
  S: number,
  first: number = 0,
): Indices {
  const ids = Int32Array.from({ length: B * S }, (_, i) => first + i % S);
  return backend.upload(ids, [B, S]);
}

/**
 * Scores for the random ranking, shape [B, N]: a sample's own stream, so its
 * order depends neither on its batch nor on the schedule.
 *
 * @param samples a number for each sample of the batch
 */
export function randomScores(
  backend: Backend,
  samples: readonly number[],
  N: number,
): Tensor {
  const scores = samples.flatMap((sample) => {
    const random = createRandom(sample);
    return Array.from({ length: N }, () => random.uniform());
  });
  return backend.upload(Float32Array.from(scores), [samples.length, N]);
}

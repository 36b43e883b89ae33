/**
 * Sort & Reduce (docs/method.md, "Sort & Reduce"): choosing the vision tokens that stay.
 *
 * At layer i the vision tokens are sorted by their scores (`ranking.ts`: the
 * attention they received in layer i − 1), and the best keep[i] stay. A removed
 * token is gone for all later layers. This file chooses the tokens; the backend
 * moves them. Keep counts come from the schedule, so nothing is read back.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor } from "./backend.ts";

/**
 * Position ids of the kept tokens: unchanged (`original`, FastV's rule and our
 * default), or re-indexed without gaps (`reindexed`).
 */
export type PositionRule = "original" | "reindexed";

/** A batch at the input of a decoder layer. */
export interface DecoderState {
  /** Hidden states, shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Position ids, shape [B, S]. */
  readonly positions: Indices;
  /** The place of the n vision tokens in the sequence, the same in all samples. */
  readonly vision: Span;
  /**
   * Tokens of a forced answer at the end of the sequence. They do not rank vision
   * tokens. Default 0.
   */
  readonly forced?: number;
  /** Tokens of the sequence before any were removed. */
  readonly length: number;
  /**
   * Scores of the remaining vision tokens, shape [B, n]; tokens with the highest
   * scores stay. Null if the layer before made none; then this one must not
   * reduce.
   */
  readonly scores: Tensor | null;
  /**
   * Mask of the instruction tokens that rate, shape [B, T], from `selectRaters`.
   * Set for the ranking `raters`, from layer 1 on.
   */
  readonly raters?: Tensor;
}

/**
 * Sorts the vision tokens by score and keeps the best, in sequence order.
 * System and instruction tokens always stay.
 *
 * @param keep number of vision tokens that stay, at most the current number
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

/**
 * Sort & Reduce (paper section 1): which vision tokens stay.
 *
 * At layer i the vision tokens are sorted by their scores (`ranking.ts`: the
 * attention they received in layer i − 1), and the best keep[i] stay; a removed
 * token is gone for all later layers. This file decides; moving the survivors
 * is an operation of the backend. Keep counts come from the schedule, so
 * nothing is read back.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor } from "./backend.ts";

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
  /**
   * Tokens of a forced answer at the end of the sequence, which rank no vision
   * tokens. Default 0.
   */
  readonly forced?: number;
  /** Tokens that the sequence had before any were removed. */
  readonly length: number;
  /**
   * Score of every vision token still there, shape [B, n]: the highest stay
   * longest. Null where no layer before has made them and none reduces here.
   */
  readonly scores: Tensor | null;
  /**
   * Which instruction tokens ask, shape [B, T], as `selectRaters` gives them;
   * where the ranking is `raters`, from layer 1 on.
   */
  readonly raters?: Tensor;
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

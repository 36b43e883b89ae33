/**
 * Rules that rank vision tokens: the paper's (docs/method.md, "Sort & Reduce"),
 * those of the methods that it is compared with (docs/method.md, "Other methods"),
 * and two controls. The backend computes
 * all scores, and nothing is read back. (Kendall's τ, which compares two
 * rankings, is in search/rank_correlation.ts.)
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, ScoreSpec, Span, Tensor } from "./backend.ts";
import { createRandom } from "./random.ts";
import type { DecoderState } from "./reduce.ts";

/**
 * How vision tokens are ranked.
 *
 * By the attention that they receive in the layer before the one that reduces,
 * mean over heads:
 * - `instruction`: from all instruction tokens, summed (the paper's rule);
 * - `last`: from the last instruction token (FastV's rule);
 * - `raters`: from the instruction tokens that are about the image, summed
 *   (SparseVLM's rule, see `selectRaters`);
 * - `self_cross`: from all vision tokens, times the attention from all
 *   instruction tokens (FitPrune's rule).
 *
 * By the attention in the layer that reduces, before it reduces:
 * - `next`: from the last instruction token (PyramidDrop's rule).
 *
 * By an order that is the same in all layers:
 * - `random`: a random order per sample; the control for the value of ranking;
 * - `uniform`: an order that spreads kept tokens evenly over the image, the same
 *   for every sample (see `evenOrder`).
 */
export type Ranking =
  | "instruction"
  | "last"
  | "raters"
  | "self_cross"
  | "next"
  | "random"
  | "uniform";

/** All rankings, for example for an option of a program. */
export const RANKINGS: readonly Ranking[] = [
  "instruction",
  "last",
  "raters",
  "self_cross",
  "next",
  "random",
  "uniform",
];

/** Rankings by attention in the layer before the one that reduces. */
export type AttentionRanking = Exclude<
  Ranking,
  "next" | "random" | "uniform"
>;

/** Whether each layer scores vision tokens for the layer after it. */
export function isByAttention(ranking: Ranking): ranking is AttentionRanking {
  return ranking !== "next" && ranking !== "random" && ranking !== "uniform";
}

/**
 * Prepares a ranking before layer 0: computes the scores of `uniform` and the
 * raters of `raters`.
 *
 * @param state the input of layer 0
 */
export function startRanking(
  backend: Backend,
  state: DecoderState,
  ranking: Ranking,
): DecoderState {
  if (ranking === "uniform") {
    const scores = evenScores(backend, state.hidden.shape[0], state.vision);
    return { ...state, scores };
  }
  if (ranking === "raters") {
    return { ...state, raters: selectRaters(backend, state) };
  }
  return state;
}

/** Queries and keys of a layer. */
export interface LayerAttention
  extends Pick<DecoderState, "vision" | "forced" | "raters"> {
  /** E. */
  readonly headWidth: number;
  /** Keys of all tokens, shape [B, S, K·E]. */
  readonly k: Tensor;
  /**
   * Queries of the last Sq tokens, shape [B, Sq, H·E]. They must include the
   * instruction, and for `self_cross` all tokens.
   */
  readonly q: Tensor;
  /** Position ids of the queries and of all tokens, shapes [B, Sq] and [B, S]. */
  readonly causal: { readonly queries: Indices; readonly keys: Indices };
}

/** The scores of a layer's vision tokens under a ranking, shape [B, n]. */
export function scoreByAttention(
  backend: Backend,
  ranking: AttentionRanking,
  { headWidth, k, q, causal, vision, forced = 0, raters }: LayerAttention,
): Tensor {
  const S = k.shape[1];
  const instruction = spanAfter(vision, S - forced);
  const receivedFrom = (
    { start, length }: Span,
    options: Pick<ScoreSpec, "queryWeights"> = {},
  ): Tensor =>
    backend.attentionScores(q, k, {
      headWidth,
      causal,
      queryRows: { start: start - (S - q.shape[1]), length },
      keyColumns: vision,
      ...options,
    });
  switch (ranking) {
    case "instruction":
      return receivedFrom(instruction);
    case "last":
      return receivedFrom({ start: S - forced - 1, length: 1 });
    case "raters":
      return receivedFrom(instruction, { queryWeights: raters! });
    case "self_cross":
      return backend.multiply(receivedFrom(vision), receivedFrom(instruction));
  }
}

/** The tokens after a span, of S in all. */
function spanAfter({ start, length }: Span, S: number): Span {
  return { start: start + length, length: S - start - length };
}

/**
 * The instruction tokens that are about the image (SparseVLM, ICML 2025). The
 * similarity of an instruction token is softmax(H_v H_qᵀ), mean over vision
 * tokens, of the hidden states at the input of layer 0. A token is a rater if
 * its similarity is at least the mean over the instruction. SparseVLM asks for
 * more than the mean; with ours an instruction of one token has a rater too (our
 * decision).
 *
 * @param state the input of layer 0
 * @returns 1 for a rater, else 0; shape [B, T], T instruction tokens
 */
export function selectRaters(
  backend: Backend,
  { hidden, vision, forced = 0 }: Pick<
    DecoderState,
    "hidden" | "vision" | "forced"
  >,
): Tensor {
  const [, S, D] = hidden.shape;
  const instruction = backend.sliceRows(hidden, spanAfter(vision, S - forced));
  // Cancels the factor 1 / √D of attention with head width D.
  const scale = backend.upload(new Float32Array(D).fill(Math.sqrt(D)), [D]);
  const seen = backend.multiply(backend.sliceRows(hidden, vision), scale);
  const similarity = backend.attentionScores(seen, instruction, {
    headWidth: D,
    queryRows: { start: 0, length: vision.length },
    keyColumns: { start: 0, length: instruction.shape[1] },
  });
  return backend.aboveMean(similarity);
}

/**
 * Scores for the random ranking, shape [B, N]. Each sample has its own random
 * stream, so its order depends neither on the batch nor on the schedule.
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

/** Scores for the uniform ranking, shape [B, N]: the same for every sample. */
function evenScores(
  backend: Backend,
  B: number,
  { length: N }: Span,
): Tensor {
  const scores = new Float32Array(B * N);
  for (const [place, n] of evenOrder(N).entries()) {
    for (let b = 0; b < B; b++) scores[b * N + n] = N - place;
  }
  return backend.upload(scores, [B, N]);
}

/** The roots of x² = x + 1 and of x³ = x + 1. */
const GOLDEN_RATIO = 1.618033988749895;
const PLASTIC_RATIO = 1.324717957244746;

/**
 * The numbers 0 … N − 1 in an order each of whose prefixes is spread evenly: over
 * a √N × √N grid numbered row by row, or over a line if N is not a square.
 *
 * The order is that in which a low-discrepancy sequence visits the cells:
 * ½ + i / φ modulo 1 on a line, ½ + i (1 / ρ, 1 / ρ²) modulo 1 in the plane
 * (Roberts 2018). The alternative, always the point farthest from all before, is
 * even for a few counts only and fills the grid row by row between them (our
 * decision).
 */
export function evenOrder(N: number): number[] {
  const side = Math.sqrt(N);
  const cellOf = Number.isInteger(side)
    ? (i: number): number =>
      side * cell(i / PLASTIC_RATIO, side) + cell(i / PLASTIC_RATIO ** 2, side)
    : (i: number): number => cell(i / GOLDEN_RATIO, N);
  const order = new Set<number>();
  for (let i = 0; order.size < N; i++) order.add(cellOf(i));
  return [...order];
}

/** The index of the cell that holds ½ + x modulo 1; `cells` of them divide [0, 1). */
function cell(x: number, cells: number): number {
  return Math.floor(((0.5 + x) % 1) * cells);
}

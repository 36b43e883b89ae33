/**
 * How vision tokens are ranked: the paper's rule (section 1), the rules of the
 * methods that it is compared with (section 6), and two controls. Whatever a
 * rule needs is computed by the backend, and nothing is read back.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, ScoreSpec, Span, Tensor } from "./backend.ts";
import { createRandom } from "./random.ts";
import type { DecoderState } from "./reduce.ts";

/**
 * How vision tokens are ranked. By attention in the layer before the one that
 * reduces, mean over heads:
 * - `instruction`: from all tokens after the image, summed (the paper's rule);
 * - `last`: from the last of them alone (FastV's rule);
 * - `raters`: from the instruction tokens that are about the image, summed
 *   (SparseVLM's rule, see `selectRaters`);
 * - `self_cross`: from all vision tokens, times that from all instruction
 *   tokens (FitPrune's rule).
 *
 * By attention in the layer that reduces, with all tokens that enter it:
 * - `next`: from the last instruction token (PyramidDrop's rule).
 *
 * In one order for all layers:
 * - `random`: another one for every sample; the control that shows what ranking
 *   is worth;
 * - `uniform`: so that survivors are spread evenly over the image, the same for
 *   every sample (see `evenOrder`).
 */
export type Ranking =
  | "instruction"
  | "last"
  | "raters"
  | "self_cross"
  | "next"
  | "random"
  | "uniform";

/** All rankings, for whoever lets a user choose. */
export const RANKINGS: readonly Ranking[] = [
  "instruction",
  "last",
  "raters",
  "self_cross",
  "next",
  "random",
  "uniform",
];

/** Rankings that every layer makes anew, from its attention. */
export type AttentionRanking = Exclude<
  Ranking,
  "next" | "random" | "uniform"
>;

/** Whether scores come from each layer's attention, for the one after it. */
export function isByAttention(ranking: Ranking): ranking is AttentionRanking {
  return ranking !== "next" && ranking !== "random" && ranking !== "uniform";
}

/**
 * Adds what a ranking must know before layer 0: the scores of `uniform`, the
 * raters of `raters`.
 *
 * @param state what enters layer 0
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

/** The tokens of a layer and how they attend to each other. */
export interface LayerAttention
  extends Pick<DecoderState, "vision" | "forced" | "raters"> {
  /** E. */
  readonly headWidth: number;
  /** Keys of all tokens, shape [B, S, K·E]. */
  readonly k: Tensor;
  /**
   * Queries of the last Sq tokens, shape [B, Sq, H·E]: the instruction at
   * least, and for `self_cross` all of them.
   */
  readonly q: Tensor;
  /** Position ids of these and of all, shapes [B, Sq] and [B, S]. */
  readonly causal: { readonly queries: Indices; readonly keys: Indices };
}

/** What a ranking gives each vision token of a layer, shape [B, n]. */
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

/** The rest of S tokens. */
function spanAfter({ start, length }: Span, S: number): Span {
  return { start: start + length, length: S - start - length };
}

/**
 * The instruction tokens that are about the image (SparseVLM, ICML 2025): those
 * to which vision tokens are similar, softmax(H_v H_qᵀ) of what enters layer 0,
 * mean over vision tokens, at least as much as to a mean instruction token.
 * SparseVLM says more, not at least; so an instruction of one token has a rater
 * too (our decision).
 *
 * @param state what enters layer 0
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
  // Makes up for the 1 / √D of attention, with D for its head width.
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
 * All numbers below N in an order whose every beginning is spread evenly: over
 * a grid of √N × √N, numbered row by row, or over a line where N is no square.
 *
 * They are the cells in which the points of a low-discrepancy sequence fall: ½
 * plus multiples of 1 / φ, modulo 1; in the plane, of (1 / ρ, 1 / ρ²), as
 * proposed by Roberts (2018). Our decision: an order in which each point is the
 * one farthest from all before is even for few counts only, and between them
 * fills up the grid row by row.
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

/** Which of so many cells of [0, 1) holds ½ + x modulo 1. */
function cell(x: number, cells: number): number {
  return Math.floor(((0.5 + x) % 1) * cells);
}

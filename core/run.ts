/**
 * Runs the decoder of a model under a schedule, up to the logits of the next
 * token.
 *
 * This module is browser compatible.
 */

import type { Tensor } from "./backend.ts";
import {
  answerRows,
  chainLayers,
  decoderLayer,
  decoderLayerAnswer,
  type KeyValues,
  type ReductionOptions,
} from "./decoder.ts";
import { decoderForLength } from "./decoder_weights.ts";
import type { VisionLanguageModel } from "./model.ts";
import { type Ranking, startRanking } from "./ranking.ts";
import type { DecoderState } from "./reduce.ts";
import type { Schedule } from "./schedule.ts";

/** Which layers `runDecoder` runs, and how. */
export interface RunOptions extends ReductionOptions {
  /** The layer that `state` enters. Default 0. */
  readonly from?: number;
  /** The layer before which to stop. Default L. */
  readonly to?: number;
}

/**
 * Runs decoder layers under a schedule. The given state is not consumed: it may
 * be run again under another schedule. Scores from attention are computed only
 * in layers before a reduction, and in the last layer that runs, because a
 * reduction may follow it.
 *
 * @throws {RangeError} the schedule does not fit the model, or removes tokens
 *   before there are scores to rank them by; or the sequence is longer than the
 *   model's window
 */
export function runDecoder(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  options: RunOptions = {},
): DecoderState {
  const run = { ...options, scoredAtEnd: true, keepsPast: false };
  return runSchedule(model, state, schedule, run).leaving;
}

/** Which layers run, and which results they keep. */
interface LayerRun extends RunOptions {
  /** Whether the last layer computes scores that this schedule does not use. */
  readonly scoredAtEnd: boolean;
  /** Whether to return the keys and values of each layer. */
  readonly keepsPast: boolean;
}

function runSchedule(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  options: LayerRun,
): { leaving: DecoderState; past: KeyValues[] } {
  const { backend } = model;
  const { keep } = schedule;
  const L = model.decoder.layers.length;
  const { from = 0, to = L, scoredAtEnd, keepsPast, ...reduction } = options;
  const { ranking = "instruction" } = reduction;
  return backend.scope(() => {
    const decoder = decoderForLength(backend, model.decoder, state.length);
    const first = from === 0 ? startRanking(backend, state, ranking) : state;
    checkSchedule(first, schedule, { layers: L, from, ranking });
    return chainLayers(backend, { from, to }, first, (layer, entering) => {
      const scored = keep[layer + 1] < keep[layer] ||
        (scoredAtEnd && layer + 1 === to);
      const { leaving, past } = decoderLayer(
        backend,
        decoder,
        layer,
        entering,
        keep[layer],
        { ...reduction, scored },
      );
      return keepsPast ? { leaving, past } : { leaving };
    });
  });
}

/** Checks that a schedule fits the model and that the layers can rank. */
function checkSchedule(
  state: DecoderState,
  { keep }: Schedule,
  { layers, from, ranking }: {
    readonly layers: number;
    readonly from: number;
    readonly ranking: Ranking;
  },
): void {
  if (keep.length !== layers) {
    throw new RangeError(
      `Cannot run a schedule as it must have ${layers} layers: current number is ${keep.length}`,
    );
  }
  if (ranking === "raters" && state.raters === undefined) {
    throw new RangeError(
      `Cannot rank by raters as they are chosen when layer 0 runs: current layer is ${from}`,
    );
  }
  if (ranking === "random" && state.scores === null) {
    throw new RangeError(
      `Cannot rank at random as the prompts must have been embedded with a number for each sample: current layer is ${from}`,
    );
  }
  if (
    ranking !== "next" && keep[from] < state.vision.length &&
    state.scores === null
  ) {
    throw new RangeError(
      `Cannot run a schedule as layer ${from} has no attention before it to rank by and must keep all ${state.vision.length} vision tokens: current count is ${
        keep[from]
      }`,
    );
  }
}

/**
 * Runs the decoder to the logits of the next token, shape [B, 1, V]. If prompts
 * have a forced answer, the logits are those of each of its tokens and of the
 * token after it, shape [B, forced + 1, V]. The result equals `nextTokenLogits`
 * after `runDecoder`, but the last layer computes only the rows that are read.
 *
 * @throws {RangeError} as `runDecoder`, or `from` is not a layer
 */
export function predictNextToken(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  options: Omit<RunOptions, "to"> = {},
): Tensor {
  const run = { ...options, keepsPast: false };
  return runToNextToken(model, state, schedule, run).logits;
}

/** The result of `runToNextToken`. */
export interface NextToken {
  /** Shape [B, 1, V], or [B, forced + 1, V]. */
  readonly logits: Tensor;
  /** Keys and values of every layer that ran; empty unless `keepsPast`. */
  readonly past: readonly KeyValues[];
}

/**
 * As `predictNextToken`, and returns the keys and values of each layer on
 * request.
 *
 * @throws {RangeError} as `predictNextToken`
 */
export function runToNextToken(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  { from = 0, keepsPast, ...reduction }: Omit<RunOptions, "to"> & {
    readonly keepsPast: boolean;
  },
): NextToken {
  const { backend } = model;
  const last = model.decoder.layers.length - 1;
  if (from > last) {
    throw new RangeError(
      `Cannot predict a token from layer ${from} as the last layer is ${last}`,
    );
  }
  return backend.scope(() => {
    const entering = runSchedule(model, state, schedule, {
      ...reduction,
      from,
      to: last,
      scoredAtEnd: false,
      keepsPast,
    });
    const { leaving, past } = decoderLayerAnswer(
      backend,
      decoderForLength(backend, model.decoder, state.length),
      last,
      entering.leaving,
      schedule.keep[last],
      reduction,
    );
    return {
      logits: headLogits(model, leaving),
      past: keepsPast ? [...entering.past, past] : [],
    };
  });
}

/**
 * Logits of the token that follows the instruction, shape [B, 1, V]. If there
 * is a forced answer, also of the tokens that follow each of its tokens, shape
 * [B, forced + 1, V].
 *
 * @param state the output of the last layer
 */
export function nextTokenLogits(
  model: VisionLanguageModel,
  state: DecoderState,
): Tensor {
  const { backend } = model;
  return backend.scope(() =>
    headLogits(model, backend.sliceRows(state.hidden, answerRows(state)))
  );
}

/** Hidden states that left the last layer → logits [B, S, V]. */
export function headLogits(
  { backend, decoder }: VisionLanguageModel,
  hidden: Tensor,
): Tensor {
  const { normEpsilon } = decoder.config;
  const normed = backend.rmsNorm(hidden, decoder.finalNorm, normEpsilon);
  return backend.linear(normed, decoder.head);
}

/**
 * Running the decoder of a model under a schedule, and what it says comes next.
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
 * Runs decoder layers under a schedule. The given state is not consumed: it
 * may be entered again with another schedule. Where scores come from attention,
 * only layers that need them compute them: those before a reduction, and the
 * last one that runs, as a reduction may follow it.
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

/** Which layers run, and what they leave. */
interface LayerRun extends RunOptions {
  /** Whether there are scores at the end that the schedule has no need of. */
  readonly scoredAtEnd: boolean;
  /** Whether keys and values of each layer are wanted. */
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

/** Whether a schedule fits the model, and the state has what layers rank by. */
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
 * Runs the decoder to the logits of the next token, shape [B, 1, V]; after
 * prompts with a forced answer of so many tokens, to those of each of them and
 * of the one after, shape [B, forced + 1, V]. It is what `nextTokenLogits` gives
 * after `runDecoder`, without computing in the last layer what nothing reads.
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

/** What `runToNextToken` gives. */
export interface NextToken {
  /** Shape [B, 1, V], or [B, forced + 1, V]. */
  readonly logits: Tensor;
  /** Of every layer that ran, where that is wanted. */
  readonly past: readonly KeyValues[];
}

/**
 * As `predictNextToken`, with the keys and values of each layer if wanted.
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
 * What follows the instruction, and each token of a forced answer: logits of
 * shape [B, 1, V] or [B, forced + 1, V].
 *
 * @param state what left the last layer
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

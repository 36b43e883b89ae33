/**
 * Generation: prefill under a schedule, then one token after the other. Each
 * layer's cache holds the keys and values of the tokens that it kept in the
 * prefill, frozen there (paper section 1): layers see different sets of vision
 * tokens, and decoding is cheaper by all that were removed.
 *
 * A conversation goes on from the same caches: later turns see the vision
 * tokens that the first question kept, and no others.
 *
 * Where rotary frequencies depend on the length of the text, a token has those
 * of the length there was when it came, and its cached keys keep them: a text
 * that outgrows `positions` on the way goes on with other frequencies than it
 * began with. So do transformers' InternVL and the original InternVL2; Phi-3 on
 * its own in transformers runs the text again there, which caches of a pruned
 * prefill could not repeat.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor } from "./backend.ts";
import {
  chainLayers,
  type KeyValues,
  type ReductionOptions,
  transform,
} from "./decoder.ts";
import { decoderForLength } from "./decoder_weights.ts";
import { checkIds, embedWords, type VisionLanguageModel } from "./model.ts";
import { countUp, type DecoderState } from "./reduce.ts";
import { headLogits, runToNextToken } from "./run.ts";
import { sampleToken, type SamplingOptions } from "./sampling.ts";
import type { Schedule } from "./schedule.ts";

/** Where a text stands: what the next token depends on. */
export interface Context {
  /** Logits of the next token, shape [B, 1, V]. */
  readonly logits: Tensor;
  /** What each layer has seen. */
  readonly past: readonly KeyValues[];
  /**
   * Position id of the next token in each layer. With original ids it is the
   * same in all; with those numbered anew it follows the layer's own tokens.
   */
  readonly next: readonly number[];
  /** Tokens so far, those that were removed included. */
  readonly length: number;
}

/**
 * Runs a prompt under a schedule, and keeps what decoding needs.
 *
 * @param state a batch as it enters layer 0, without a forced answer
 * @throws {RangeError} the schedule does not fit the model, as for `runDecoder`
 */
export function prefill(
  model: VisionLanguageModel,
  state: DecoderState,
  schedule: Schedule,
  reduction: ReductionOptions = {},
): Context {
  const { backend } = model;
  return backend.scope(() => {
    const options = { ...reduction, keepsPast: true };
    const { logits, past } = runToNextToken(model, state, schedule, options);
    // A context owns what it holds; unreduced layers hand on the state's ids.
    const ids = backend.concat([state.positions], 1);
    const own = past.map((layer) =>
      layer.positions === state.positions ? { ...layer, positions: ids } : layer
    );
    return {
      logits,
      past: own,
      length: state.length,
      next: own.map(({ positions }) =>
        reduction.positions === "reindexed" ? positions.shape[1] : state.length
      ),
    };
  });
}

/** A context further on, and what was likely on the way there. */
export interface Extension {
  /** After the last of the tokens. */
  readonly context: Context;
  /** Logits of what follows each of the tokens, shape [B, T, V]. */
  readonly logits: Tensor;
}

/**
 * Adds tokens to texts. The given context is not consumed.
 *
 * @param ids for each of the B texts T token ids, at least one: a generated
 *   token, or the words of the next turn
 * @throws {RangeError} a token is not in the vocabulary
 */
export function extend(
  model: VisionLanguageModel,
  { past, next, length }: Context,
  ids: readonly (readonly number[])[],
): Extension {
  checkIds(model, ids.flat());
  const { backend } = model;
  const B = ids.length;
  const T = ids[0].length;
  return backend.scope(() => {
    const decoder = decoderForLength(backend, model.decoder, length + T);
    const { leaving, past: longer } = chainLayers(
      backend,
      { from: 0, to: past.length },
      embedWords(model, ids),
      (layer, hidden) => {
        const positions = countUp(backend, B, T, next[layer]);
        const tokens = { hidden, positions };
        const left = transform(backend, decoder, layer, tokens, {
          past: past[layer],
        });
        return { leaving: left.hidden, past: left.past };
      },
    );
    const logits = headLogits(model, leaving);
    return {
      logits,
      context: {
        logits: T === 1
          ? logits
          : backend.sliceRows(logits, { start: T - 1, length: 1 }),
        past: longer,
        length: length + T,
        next: next.map((position) => position + T),
      },
    };
  });
}

/**
 * What a context holds, each once, to be freed when it is not needed any more:
 * layers that keep the same tokens share their position ids.
 */
export function contextTensors(
  { logits, past }: Context,
): (Tensor | Indices)[] {
  const ofLayers = past.flatMap(({ keys, values, positions }) => [
    keys,
    values,
    positions,
  ]);
  return [...new Set([logits, ...ofLayers])];
}

/** How text is generated. */
export interface GenerateOptions extends SamplingOptions {
  /** Tokens that end the text; they are not part of it. */
  readonly stopTokens: readonly number[];
  /** The most tokens that are generated. */
  readonly maxTokens: number;
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Generates a text, token by token.
 *
 * @param context of one text, where to begin; freed on the way
 * @returns a generator of token ids, which returns the context after the last
 *   of them, for a next turn
 */
export async function* generate(
  model: VisionLanguageModel,
  context: Context,
  { stopTokens, maxTokens, signal, ...sampling }: GenerateOptions,
): AsyncGenerator<number, Context, void> {
  const { backend } = model;
  let complete = false;
  try {
    for (let count = 0; count < maxTokens; count++) {
      signal?.throwIfAborted();
      const id = sampleToken(await backend.read(context.logits), sampling);
      if (stopTokens.includes(id)) break;
      yield id;
      const longer = extend(model, context, [[id]]).context;
      backend.free(contextTensors(context));
      context = longer;
    }
    complete = true;
    return context;
  } finally {
    // Aborted, or left by who called it: nobody else has it then.
    if (!complete) backend.free(contextTensors(context));
  }
}

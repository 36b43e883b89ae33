/**
 * Generation: prefill under a schedule, then one token at a time. The KV cache
 * of a layer holds the tokens that the layer kept in the prefill, and that set
 * is fixed (docs/method.md, "Sort & Reduce"). Layers therefore attend to different
 * sets of vision tokens, and decoding saves the removed tokens too.
 *
 * A conversation continues from the same caches: later turns attend to the
 * vision tokens that the first question kept, and to no others.
 *
 * Rotary frequencies may depend on the length of the text. A token is rotated
 * with the frequencies of the length at its own time, and its cached key keeps
 * them. A text that grows beyond `positions` continues with other frequencies
 * than it began with. transformers' InternVL and the original InternVL2 do the
 * same. Phi-3 alone in transformers runs the text again at that point, which is
 * impossible with the cache of a pruned prefill.
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

/** The state of a text: all that the next token depends on. */
export interface Context {
  /** Logits of the next token, shape [B, 1, V]. */
  readonly logits: Tensor;
  /** The KV cache of each layer. */
  readonly past: readonly KeyValues[];
  /**
   * Position id of the next token in each layer. With original ids it is the
   * same in all layers. With re-indexed ids it is the layer's own token count.
   */
  readonly next: readonly number[];
  /** Tokens so far, including removed ones. */
  readonly length: number;
}

/**
 * Runs a prompt under a schedule and fills the KV caches.
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
    // A context owns its tensors, but unreduced layers return the state's ids.
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

/** A longer context, and the logits of the tokens that extend it. */
export interface Extension {
  /** The context after the last token. */
  readonly context: Context;
  /** Logits of the tokens that follow each token, shape [B, T, V]. */
  readonly logits: Tensor;
}

/**
 * Adds tokens to texts. The given context is not consumed.
 *
 * @param ids T token ids for each of the B texts, T ≥ 1: a generated token, or
 *   the words of the next turn
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
 * All tensors of a context, each once; the caller frees them when it drops the
 * context. Layers that keep the same tokens share their position ids.
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
 * @param context the context of one text; this function frees it
 * @returns a generator of token ids. Its return value is the context after the
 *   last token, for the next turn
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
    // After an abort or an early return, the caller never gets the context.
    if (!complete) backend.free(contextTensors(context));
  }
}

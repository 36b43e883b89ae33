/**
 * The prefix that questions about one image share: its system and vision tokens.
 * A token attends only to tokens before it. So until a layer reduces, the prefix
 * does not depend on the question, and running it once per image is enough. The
 * words then run as in `runDecoder`.
 *
 * This module is browser compatible.
 */

import type { Indices, Span, Tensor } from "./backend.ts";
import { chainLayers, type KeyValues, transform } from "./decoder.ts";
import { decoderForLength } from "./decoder_weights.ts";
import {
  checkPrompts,
  embedWords,
  type Prompt,
  type VisionLanguageModel,
  wordsAfterImage,
} from "./model.ts";
import {
  isByAttention,
  randomScores,
  type Ranking,
  scoreByAttention,
  startRanking,
} from "./ranking.ts";
import { countUp, type DecoderState } from "./reduce.ts";

/** System and vision tokens of one image at the input of a layer. */
export interface Prefix {
  /** Token ids before the image. */
  readonly before: readonly number[];
  /** Shape [1, P, D]. */
  readonly hidden: Tensor;
  /** 0 … P − 1, shape [1, P]. */
  readonly positions: Indices;
  /** The place of the N vision tokens. */
  readonly vision: Span;
  /** Length of the sequences that it begins; rotary frequencies may depend on it. */
  readonly length: number;
  /** Keys and values of each layer before this one. */
  readonly past: readonly KeyValues[];
}

/** How a prefix is run. */
export interface PrefixOptions {
  /** Token ids before the image. */
  readonly before: readonly number[];
  /** Tokens of the whole sequence, question included. */
  readonly length: number;
  /** The layer before which it stops. */
  readonly depth: number;
}

/**
 * Runs system and vision tokens of one image, unreduced, up to layer `depth`.
 *
 * @param visionTokens shape [1, N, D]
 * @throws {RangeError} the sequences are longer than the decoder's window
 */
export function runPrefix(
  model: VisionLanguageModel,
  visionTokens: Tensor,
  { before, length, depth }: PrefixOptions,
): Prefix {
  const { backend } = model;
  const [, N] = visionTokens.shape;
  return backend.scope(() => {
    const decoder = decoderForLength(backend, model.decoder, length);
    const positions = countUp(backend, 1, before.length + N);
    const { leaving: hidden, past } = chainLayers(
      backend,
      { from: 0, to: depth },
      backend.concat([embedWords(model, [before]), visionTokens], 1),
      (layer, hidden) => {
        const tokens = { hidden, positions };
        const left = transform(backend, decoder, layer, tokens);
        return { leaving: left.hidden, past: left.past };
      },
    );
    const vision = { start: before.length, length: N };
    return { before, length, hidden, positions, vision, past };
  });
}

/** All tensors of a prefix; the caller frees them when it drops the prefix. */
export function prefixTensors(
  { hidden, positions, past }: Prefix,
): (Tensor | Indices)[] {
  const kept = past.flatMap(({ keys, values }) => [keys, values]);
  return [hidden, positions, ...kept];
}

/**
 * Whether a ranking works when only the words run after a prefix. `raters` needs
 * the whole sequence at layer 0, and `self_cross` needs queries of the vision
 * tokens.
 */
export function sharesPrefixes(ranking: Ranking): boolean {
  return ranking !== "raters" && ranking !== "self_cross";
}

/** How the words run. */
export interface ContinuationOptions {
  /**
   * How vision tokens are ranked. Beyond layer 0, `sharesPrefixes` must allow
   * the rule. Default "instruction".
   */
  readonly ranking?: Ranking;
  /** With the random ranking, a number for each sample. */
  readonly samples?: readonly number[];
}

/**
 * Runs a question after each prefix, up to the layer that the prefixes are at.
 * The state equals that of `runDecoder` on whole sequences without reduction.
 *
 * @param prefixes B prefixes of equal length, at the same layer
 * @param prompts B prompts that begin with these prefixes. Their instructions
 *   must have equal lengths, and so must their forced answers
 * @throws {TypeError} the prompts differ in length
 * @throws {RangeError} a token is not in the vocabulary
 */
export function continuePrefixes(
  model: VisionLanguageModel,
  prefixes: readonly Prefix[],
  prompts: readonly Prompt[],
  { ranking = "instruction", samples = [] }: ContinuationOptions = {},
): DecoderState {
  const { backend } = model;
  checkPrompts(model, prompts);
  const [{ vision, past, positions: { shape: [, P] } }] = prefixes;
  const [{ forced: { length: forced } = [] }] = prompts;
  const depth = past.length;
  const join = (part: (prefix: Prefix) => Tensor): Tensor =>
    backend.concat(prefixes.map(part), 0);

  return backend.scope(() => {
    const embedded = embedWords(model, prompts.map(wordsAfterImage));
    const [B, T] = embedded.shape;
    const decoder = decoderForLength(backend, model.decoder, P + T);
    const positions = countUp(backend, B, P + T);
    const words = countUp(backend, B, T, P);
    const before = countUp(backend, B, P);
    const range = { from: 0, to: depth };
    const entering: { hidden: Tensor; scores: Tensor | null } = {
      hidden: embedded,
      scores: ranking === "random"
        ? randomScores(backend, samples, vision.length)
        : null,
    };
    const { leaving: { hidden, scores } } = chainLayers(
      backend,
      range,
      entering,
      (layer, { hidden, scores }) => {
        const tokens = { hidden, positions: words };
        const left = transform(backend, decoder, layer, tokens, {
          past: {
            keys: join(({ past }) => past[layer].keys),
            values: join(({ past }) => past[layer].values),
            positions: before,
          },
        });
        // Only the layer that the batch enters next may reduce.
        if (isByAttention(ranking) && layer === depth - 1) {
          scores = scoreByAttention(backend, ranking, {
            q: left.q,
            k: left.past.keys,
            vision,
            forced,
            headWidth: decoder.config.headWidth,
            causal: { queries: words, keys: positions },
          });
        }
        return { leaving: { hidden: left.hidden, scores } };
      },
    );
    const state = {
      hidden: backend.concat([join(({ hidden }) => hidden), hidden], 1),
      positions,
      vision,
      forced,
      length: P + T,
      scores,
    };
    // At depth 0, `runDecoder` starts the ranking.
    return depth > 0 && ranking === "uniform"
      ? startRanking(backend, state, ranking)
      : state;
  });
}

/**
 * What questions about the same image share. A token sees only what stands
 * before it, so, as long as no layer has reduced, system and vision tokens go
 * through the decoder in the same way whatever is asked after them: once per
 * image is enough. What a layer does with the words is the same computation as
 * in `runDecoder`.
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

/** System and vision tokens of one image, as they enter a layer. */
export interface Prefix {
  /** Token ids before the image. */
  readonly before: readonly number[];
  /** Shape [1, P, D]. */
  readonly hidden: Tensor;
  /** 0 … P − 1, shape [1, P]. */
  readonly positions: Indices;
  /** Where the N vision tokens are. */
  readonly vision: Span;
  /** Tokens of the sequences that it may begin, on which frequencies may depend. */
  readonly length: number;
  /** What they left in each layer before this one. */
  readonly past: readonly KeyValues[];
}

/** What a prefix is for. */
export interface PrefixOptions {
  /** Token ids before the image. */
  readonly before: readonly number[];
  /** Tokens of the whole sequence, question included. */
  readonly length: number;
  /** The layer that it is to enter. */
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

/** What a prefix holds, to be freed when it is not needed any more. */
export function prefixTensors(
  { hidden, positions, past }: Prefix,
): (Tensor | Indices)[] {
  const kept = past.flatMap(({ keys, values }) => [keys, values]);
  return [hidden, positions, ...kept];
}

/**
 * Whether a ranking can do without what passes layers before it only in a whole
 * sequence: raters are chosen by what enters layer 0, and `self_cross` asks
 * vision tokens.
 */
export function sharesPrefixes(ranking: Ranking): boolean {
  return ranking !== "raters" && ranking !== "self_cross";
}

/** How questions are asked. */
export interface ContinuationOptions {
  /**
   * How vision tokens are ranked; beyond layer 0 one of those that
   * `sharesPrefixes` allows. Default "instruction".
   */
  readonly ranking?: Ranking;
  /** With the random ranking, a number for each sample. */
  readonly samples?: readonly number[];
}

/**
 * Asks a question after each prefix: the batch as it enters the layer that the
 * prefixes are at, as `runDecoder` leaves it there when nothing was removed.
 *
 * @param prefixes B of them, of equal length, at the same layer
 * @param prompts B prompts that begin with them, with equally many tokens after
 *   the image and of a forced answer
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
    // Before layer 0 whoever runs it starts the ranking.
    return depth > 0 && ranking === "uniform"
      ? startRanking(backend, state, ranking)
      : state;
  });
}

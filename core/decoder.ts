/**
 * The decoder, with Sort & Reduce in front of each layer. The forward pass is a
 * chain of states, so that it can be entered at any layer: G-Search fixes
 * shallow layers first and re-runs only the deeper ones.
 *
 * Every sample of a batch has its own kept set and its own position ids.
 * Source: transformers' LlamaModel; Sort & Reduce from the paper, section 1.
 *
 * This module is browser compatible.
 */

import type {
  Backend,
  Indices,
  LinearOptions,
  Span,
  Tensor,
} from "./backend.ts";
import type { Decoder } from "./decoder_weights.ts";
import { applyLinear, type Linear } from "./layers.ts";
import { isByAttention, type Ranking, scoreByAttention } from "./ranking.ts";
import {
  type DecoderState,
  type PositionRule,
  sortAndReduce,
} from "./reduce.ts";

/** How the decoder reduces. */
export interface ReductionOptions {
  /** How vision tokens are ranked. Default "instruction". */
  readonly ranking?: Ranking;
  /** Which position ids survivors have. Default "original". */
  readonly positions?: PositionRule;
}

/** How one layer reduces, and what it leaves. */
export interface LayerOptions extends ReductionOptions {
  /**
   * Whether the next layer may reduce, and so needs scores where they come from
   * this one's attention. Default true.
   */
  readonly scored?: boolean;
}

/** What comes of a layer. */
export interface LayerResult<T> {
  /** What leaves it. */
  readonly leaving: T;
  /** What all tokens that it kept left there, for later tokens to see. */
  readonly past: KeyValues;
}

/** What a layer leaves in `chainLayers`; without `past` where none is kept. */
export type LayerStep<T> =
  & Pick<LayerResult<T>, "leaving">
  & Partial<Pick<LayerResult<T>, "past">>;

/**
 * The loop over the layers: each takes what the layer before it left. All other
 * tensors that a layer makes are freed.
 *
 * @param range the first layer, and the one before which to stop
 * @param entering what enters the first layer
 * @param step runs one layer
 * @returns what leaves the last, and the keys and values that steps returned
 */
export function chainLayers<T>(
  backend: Backend,
  range: { readonly from: number; readonly to: number },
  entering: T,
  step: (layer: number, entering: T) => LayerStep<T>,
): { leaving: T; past: KeyValues[] } {
  let state = entering;
  const past: KeyValues[] = [];
  for (let layer = range.from; layer < range.to; layer++) {
    const { leaving, past: own } = backend.scope(() => step(layer, state));
    state = leaving;
    if (own) past.push(own);
  }
  return { leaving: state, past };
}

/**
 * One decoder layer.
 *
 * @param state what enters it
 * @param keep vision tokens that this layer computes with, at most those there
 * @returns what enters the next layer, with scores from this one
 */
export function decoderLayer(
  backend: Backend,
  decoder: Decoder,
  index: number,
  state: DecoderState,
  keep: number,
  { scored = true, ...reduction }: LayerOptions = {},
): LayerResult<DecoderState> {
  const { ranking = "instruction" } = reduction;
  const reduced = reduce(backend, decoder, index, state, keep, reduction);
  const { hidden, q, past } = transform(backend, decoder, index, reduced);

  // scores for the next layer's Sort & Reduce
  let { scores } = reduced;
  if (isByAttention(ranking)) {
    scores = scored
      ? scoreByAttention(backend, ranking, {
        ...reduced,
        q,
        k: past.keys,
        headWidth: decoder.config.headWidth,
        causal: { queries: reduced.positions, keys: past.positions },
      })
      : null;
  }
  return { leaving: { ...reduced, hidden, scores }, past };
}

/**
 * One decoder layer as far as the model's answer needs it after the last layer.
 * Every token gives its key and value; only the last instruction token asks,
 * and those of a forced answer after it, and pass through the MLP.
 *
 * @returns what leaves the layer there, shape [B, 1 + forced, D]
 */
export function decoderLayerAnswer(
  backend: Backend,
  decoder: Decoder,
  index: number,
  state: DecoderState,
  keep: number,
  reduction: ReductionOptions = {},
): LayerResult<Tensor> {
  const all = reduce(backend, decoder, index, state, keep, reduction);
  const last = tokensFrom(backend, all, answerRows(all).start);
  const { hidden: leaving, past } = transform(backend, decoder, index, last, {
    seen: all,
  });
  return { leaving, past };
}

/** The last instruction token, and those of a forced answer: an answer's rows. */
export function answerRows(
  { hidden, forced = 0 }: Pick<DecoderState, "hidden" | "forced">,
): Span {
  const length = 1 + forced;
  return { start: hidden.shape[1] - length, length };
}

/** Sort & Reduce in front of a layer, by whatever ranks the vision tokens. */
function reduce(
  backend: Backend,
  decoder: Decoder,
  index: number,
  state: DecoderState,
  keep: number,
  { ranking = "instruction", positions: rule = "original" }: ReductionOptions,
): DecoderState {
  if (ranking !== "next" || keep === state.vision.length) {
    return sortAndReduce(backend, state, keep, rule);
  }
  const last = { start: answerRows(state).start, length: 1 };
  const scores = attentionReceived(backend, decoder, index, state, last);
  const reduced = sortAndReduce(backend, { ...state, scores }, keep, rule);
  return { ...reduced, scores: null };
}

/**
 * Attention that vision tokens receive in a layer from some of the tokens that
 * enter it, head mean, summed; without computing the rest of the layer.
 *
 * @param rows those that ask
 * @returns shape [B, n]
 */
export function attentionReceived(
  backend: Backend,
  decoder: Decoder,
  index: number,
  state: DecoderState,
  rows: Span,
): Tensor {
  const asking = tokensFrom(backend, state, rows.start);
  const { q, k } = queriesAndKeys(backend, decoder, index, asking, state);
  return backend.attentionScores(q, k, {
    headWidth: decoder.config.headWidth,
    causal: { queries: asking.positions, keys: state.positions },
    queryRows: { start: 0, length: rows.length },
    keyColumns: state.vision,
  });
}

/** All tokens but the first `count`. */
function tokensFrom(
  backend: Backend,
  { hidden, positions }: Tokens,
  count: number,
): Tokens {
  const none = backend.upload(new Int32Array(0), [positions.shape[0], 0]);
  const first = { start: 0, length: count };
  return {
    hidden: backend.gatherRows(hidden, none, first),
    positions: backend.gatherRows(positions, none, first),
  };
}

/** Tokens that enter a layer. */
export interface Tokens {
  /** Shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Shape [B, S]. */
  readonly positions: Indices;
}

/** What tokens that went through a layer left there for later ones to see. */
export interface KeyValues {
  /** Rotated keys, shape [B, S, K·E]. */
  readonly keys: Tensor;
  /** Shape [B, S, K·E]. */
  readonly values: Tensor;
  /** Position ids, shape [B, S]. */
  readonly positions: Indices;
}

/** Whom tokens see in a layer, besides those that went through it before. */
export interface TransformOptions {
  /** Tokens that give keys and values. Default: those that ask. */
  readonly seen?: Tokens;
  /** What stands in front of them. Default: nothing. */
  readonly past?: KeyValues;
}

/** What a layer makes of tokens. */
export interface Transformed {
  /** Of the tokens that ask, shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Their rotated queries, shape [B, S, H·E]. */
  readonly q: Tensor;
  /** All that they see. */
  readonly past: KeyValues;
}

/** What tokens ask in a layer, and how those they see answer. */
function queriesAndKeys(
  backend: Backend,
  decoder: Decoder,
  index: number,
  asking: Tokens,
  seen: Tokens,
): { q: Tensor; k: Tensor; normedSeen: Tensor } {
  const { query, key, attentionNorm } = decoder.layers[index];
  const { normEpsilon } = decoder.config;
  const normed = ({ hidden }: Tokens): Tensor =>
    backend.rmsNorm(hidden, attentionNorm, normEpsilon);
  const rotated = (x: Tensor, layer: Linear, positions: Indices): Tensor =>
    backend.rope(
      applyLinear(backend, x, layer),
      positions,
      decoder.frequencies,
    );
  const normedSeen = normed(seen);
  const normedAsking = asking === seen ? normedSeen : normed(asking);
  return {
    q: rotated(normedAsking, query, asking.positions),
    k: rotated(normedSeen, key, seen.positions),
    normedSeen,
  };
}

/** A decoder layer's attention and MLP: tokens that ask, and those they see. */
export function transform(
  backend: Backend,
  decoder: Decoder,
  index: number,
  asking: Tokens,
  { seen = asking, past }: TransformOptions = {},
): Transformed {
  const { headWidth, normEpsilon } = decoder.config;
  const layer = decoder.layers[index];
  const linear = (x: Tensor, layer: Linear, options?: LinearOptions): Tensor =>
    applyLinear(backend, x, layer, options);

  // attention; whoever was removed is seen by nobody any more
  const { q, k, normedSeen } = queriesAndKeys(
    backend,
    decoder,
    index,
    asking,
    seen,
  );
  const own: KeyValues = {
    keys: k,
    values: linear(normedSeen, layer.value),
    positions: seen.positions,
  };
  const all = past ? joinKeyValues(backend, past, own) : own;
  const attended = backend.attention(q, all.keys, all.values, {
    headWidth,
    causal: { queries: asking.positions, keys: all.positions },
  });
  const middle = linear(attended, layer.out, {
    residual: asking.hidden,
  });

  // MLP (SwiGLU)
  const mlpIn = backend.rmsNorm(middle, layer.mlpNorm, normEpsilon);
  const gate = linear(mlpIn, layer.gate);
  const mlp = linear(mlpIn, layer.up, { gate });
  const hidden = linear(mlp, layer.down, { residual: middle });
  return { hidden, q, past: all };
}

/** One after the other. */
function joinKeyValues(
  backend: Backend,
  a: KeyValues,
  b: KeyValues,
): KeyValues {
  return {
    keys: backend.concat([a.keys, b.keys], 1),
    values: backend.concat([a.values, b.values], 1),
    positions: backend.concat([a.positions, b.positions], 1),
  };
}

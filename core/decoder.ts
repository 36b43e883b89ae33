/**
 * The decoder, with Sort & Reduce in front of each layer. The forward pass is a
 * chain of states and can start at any layer: G-Search fixes shallow layers
 * first and re-runs only the deeper ones.
 *
 * Every sample of a batch has its own kept set and its own position ids.
 * Source: transformers' LlamaModel; for reduction docs/method.md, "Sort & Reduce".
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

/** How one layer reduces, and whether it scores vision tokens. */
export interface LayerOptions extends ReductionOptions {
  /**
   * Whether to compute scores from this layer's attention. Only needed if the
   * next layer may reduce. Default true.
   */
  readonly scored?: boolean;
}

/** The result of a layer. */
export interface LayerResult<T> {
  /** Its output. */
  readonly leaving: T;
  /** Keys and values of all tokens that it kept. */
  readonly past: KeyValues;
}

/** The result of a step of `chainLayers`; `past` is optional. */
export type LayerStep<T> =
  & Pick<LayerResult<T>, "leaving">
  & Partial<Pick<LayerResult<T>, "past">>;

/**
 * The loop over the layers: the output of each is the input of the next. All
 * other tensors that a layer makes are freed.
 *
 * @param range the first layer, and the layer before which to stop
 * @param entering the input of the first layer
 * @param step runs one layer
 * @returns the output of the last layer, and the keys and values that the steps
 *   returned
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
 * @param state its input
 * @param keep vision tokens that this layer computes with, at most the number in
 *   `state`
 * @returns the input of the next layer, with scores from this one
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

  // Scores for the next layer's Sort & Reduce.
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
 * The last decoder layer, for the rows that predict the answer. All tokens give
 * keys and values. Only the last instruction token and the tokens of a forced
 * answer give queries and pass through the MLP.
 *
 * @returns hidden states of these rows, shape [B, 1 + forced, D]
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

/** The rows that predict the answer: last instruction token and forced answer. */
export function answerRows(
  { hidden, forced = 0 }: Pick<DecoderState, "hidden" | "forced">,
): Span {
  const length = 1 + forced;
  return { start: hidden.shape[1] - length, length };
}

/** Sort & Reduce in front of a layer, for any ranking. */
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
 * Attention that vision tokens receive in a layer from chosen query rows: mean
 * over heads, summed over rows. The rest of the layer is not computed.
 *
 * @param rows the query rows
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

/** Tokens at the input of a layer. */
export interface Tokens {
  /** Shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Shape [B, S]. */
  readonly positions: Indices;
}

/** The keys and values of a layer: one layer of the KV cache. */
export interface KeyValues {
  /** Rotated keys, shape [B, S, K·E]. */
  readonly keys: Tensor;
  /** Shape [B, S, K·E]. */
  readonly values: Tensor;
  /** Position ids, shape [B, S]. */
  readonly positions: Indices;
}

/** Which keys and values a layer's queries attend to. */
export interface TransformOptions {
  /** Tokens that give keys and values. Default: the tokens that give queries. */
  readonly seen?: Tokens;
  /** Keys and values of earlier tokens. Default: none. */
  readonly past?: KeyValues;
}

/** The result of `transform`. */
export interface Transformed {
  /** Hidden states of the query tokens, shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Their rotated queries, shape [B, S, H·E]. */
  readonly q: Tensor;
  /** All keys and values, earlier ones first. */
  readonly past: KeyValues;
}

/** Rotated queries and keys of a layer, and the normed input of the values. */
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

/** The attention and the MLP of a decoder layer, for the `asking` tokens. */
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

  // Attention. Removed tokens are not among the keys.
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

  // MLP (SwiGLU).
  const mlpIn = backend.rmsNorm(middle, layer.mlpNorm, normEpsilon);
  const gate = linear(mlpIn, layer.gate);
  const mlp = linear(mlpIn, layer.up, { gate });
  const hidden = linear(mlp, layer.down, { residual: middle });
  return { hidden, q, past: all };
}

/** Concatenates along the sequence. */
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

/**
 * The LLaMA decoder, with Sort & Reduce in front of each layer. The forward
 * pass is a chain of states, so that it can be entered at any layer: G-Search
 * fixes shallow layers first and re-runs only the deeper ones.
 *
 * Every sample of a batch has its own kept set and its own position ids.
 * Source: transformers' LlamaModel; Sort & Reduce from the paper, section 1.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Span, Tensor, Weight } from "./backend.ts";
import type { DecoderConfig } from "./config.ts";
import { isByAttention, type Ranking, scoreByAttention } from "./ranking.ts";
import {
  type DecoderState,
  type PositionRule,
  sortAndReduce,
} from "./reduce.ts";
import type { WeightLoader } from "./weights.ts";

/** Weights of one decoder layer; none has a bias. */
export interface DecoderLayer {
  /** Shape [D]. */
  readonly attentionNorm: Tensor;
  /** Shape [H·E, D]. */
  readonly query: Weight;
  /** Shape [K·E, D]. */
  readonly key: Weight;
  /** Shape [K·E, D]. */
  readonly value: Weight;
  /** Shape [D, H·E]. */
  readonly out: Weight;
  /** Shape [D]. */
  readonly mlpNorm: Tensor;
  /** Shape [M, D]. */
  readonly gate: Weight;
  /** Shape [M, D]. */
  readonly up: Weight;
  /** Shape [D, M]. */
  readonly down: Weight;
}

/** A decoder on a backend. */
export interface Decoder {
  /** Its sizes. */
  readonly config: DecoderConfig;
  /** Shape [V, D]. */
  readonly embedding: Tensor;
  /** Rotary frequencies in radians per position, shape [E/2]. */
  readonly frequencies: Tensor;
  /** From shallow to deep. */
  readonly layers: readonly DecoderLayer[];
  /** Shape [D]. */
  readonly finalNorm: Tensor;
  /** Shape [V, D]; the values of the embedding where the head is tied. */
  readonly head: Weight;
}

/** Loads the decoder of a LLaVA checkpoint. */
export async function loadDecoder(
  backend: Backend,
  loader: WeightLoader,
  config: DecoderConfig,
): Promise<Decoder> {
  const {
    width: D,
    heads: H,
    kvHeads: K,
    headWidth: E,
    mlpWidth: M,
    vocabulary: V,
  } = config;
  const layers: DecoderLayer[] = [];
  for (let i = 0; i < config.layers; i++) {
    const norm = (name: string): Promise<Tensor> =>
      loader.load("decoder", `layers.${i}.${name}.weight`, [D]);
    const weight = (name: string, O: number, I: number): Promise<Weight> =>
      loader.loadWeight("decoder", `layers.${i}.${name}.weight`, [O, I]);
    layers.push({
      attentionNorm: await norm("input_layernorm"),
      query: await weight("self_attn.q_proj", H * E, D),
      key: await weight("self_attn.k_proj", K * E, D),
      value: await weight("self_attn.v_proj", K * E, D),
      out: await weight("self_attn.o_proj", D, H * E),
      mlpNorm: await norm("post_attention_layernorm"),
      gate: await weight("mlp.gate_proj", M, D),
      up: await weight("mlp.up_proj", M, D),
      down: await weight("mlp.down_proj", D, M),
    });
  }
  const embedding = ["decoder", "embed_tokens.weight", [V, D]] as const;
  const frequencies = Float32Array.from(
    { length: E / 2 },
    (_, e) => config.ropeTheta ** (-2 * e / E),
  );
  return {
    config,
    embedding: await loader.load(...embedding),
    frequencies: backend.upload(frequencies, [E / 2]),
    layers,
    finalNorm: await loader.load("decoder", "norm.weight", [D]),
    head: config.tiedHead
      ? await loader.loadWeight(...embedding)
      : await loader.loadWeight("head", "weight", [V, D]),
  };
}

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
): DecoderState {
  const { ranking = "instruction" } = reduction;
  const reduced = reduce(backend, decoder, index, state, keep, reduction);
  const { hidden, q, k } = transform(backend, decoder, index, reduced, reduced);

  // scores for the next layer's Sort & Reduce
  if (!isByAttention(ranking)) return { ...reduced, hidden };
  const { positions } = reduced;
  const scores = scored
    ? scoreByAttention(backend, ranking, {
      ...reduced,
      ...{ q, k, headWidth: decoder.config.headWidth },
      causal: { queries: positions, keys: positions },
    })
    : null;
  return { ...reduced, hidden, scores };
}

/**
 * One decoder layer as far as its last token needs it, which is all that the
 * next word depends on after the last layer. Every token gives its key and
 * value; only the last one asks, and passes through the MLP.
 *
 * @returns what leaves the layer at the last token, shape [B, 1, D]
 */
export function decoderLayerLastToken(
  backend: Backend,
  decoder: Decoder,
  index: number,
  state: DecoderState,
  keep: number,
  reduction: ReductionOptions = {},
): Tensor {
  const all = reduce(backend, decoder, index, state, keep, reduction);
  const last = tokensFrom(backend, all, all.positions.shape[1] - 1);
  return transform(backend, decoder, index, last, all).hidden;
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
  const last = { start: state.hidden.shape[1] - 1, length: 1 };
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
interface Tokens {
  /** Shape [B, S, D]. */
  readonly hidden: Tensor;
  /** Shape [B, S]. */
  readonly positions: Indices;
}

/** What tokens ask in a layer, and how those they see answer. */
function queriesAndKeys(
  backend: Backend,
  decoder: Decoder,
  index: number,
  asking: Tokens,
  seen: Tokens,
): { q: Tensor; k: Tensor; normedSeen: Tensor } {
  const layer = decoder.layers[index];
  const normed = (tokens: Tokens): Tensor =>
    backend.rmsNorm(
      tokens.hidden,
      layer.attentionNorm,
      decoder.config.normEpsilon,
    );
  const rotated = (x: Tensor, weight: Weight, positions: Indices): Tensor =>
    backend.rope(backend.linear(x, weight), positions, decoder.frequencies);
  const normedSeen = normed(seen);
  const normedAsking = asking === seen ? normedSeen : normed(asking);
  return {
    q: rotated(normedAsking, layer.query, asking.positions),
    k: rotated(normedSeen, layer.key, seen.positions),
    normedSeen,
  };
}

/** A decoder layer's attention and MLP: tokens that ask, and those they see. */
function transform(
  backend: Backend,
  decoder: Decoder,
  index: number,
  asking: Tokens,
  seen: Tokens,
): { hidden: Tensor; q: Tensor; k: Tensor } {
  const { headWidth, normEpsilon } = decoder.config;
  const layer = decoder.layers[index];

  // attention; whoever was removed is seen by nobody any more
  const { q, k, normedSeen } = queriesAndKeys(
    backend,
    decoder,
    index,
    asking,
    seen,
  );
  const v = backend.linear(normedSeen, layer.value);
  const causal = { queries: asking.positions, keys: seen.positions };
  const attended = backend.attention(q, k, v, { headWidth, causal });
  const middle = backend.linear(attended, layer.out, {
    residual: asking.hidden,
  });

  // MLP (SwiGLU)
  const mlpIn = backend.rmsNorm(middle, layer.mlpNorm, normEpsilon);
  const gate = backend.linear(mlpIn, layer.gate);
  const mlp = backend.linear(mlpIn, layer.up, { gate });
  const hidden = backend.linear(mlp, layer.down, { residual: middle });
  return { hidden, q, k };
}

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

import type { Backend, Indices, Tensor, Weight } from "./backend.ts";
import type { DecoderConfig } from "./config.ts";
import {
  type DecoderState,
  type PositionRule,
  type Ranking,
  scoringRows,
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

/** What comes of a layer. */
export interface LayerResult<T> {
  /** What leaves it. */
  readonly leaving: T;
  /** What all tokens that it kept left there, for later tokens to see. */
  readonly past: KeyValues;
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
  { ranking = "instruction", positions: rule = "original" }: ReductionOptions =
    {},
): LayerResult<DecoderState> {
  const reduced = sortAndReduce(backend, state, keep, rule);
  const { positions, vision, scores } = reduced;
  const { hidden, q, past } = transform(backend, decoder, index, reduced);

  // scores for the next layer's Sort & Reduce
  const nextScores = ranking === "random"
    ? scores
    : backend.attentionScores(q, past.keys, {
      headWidth: decoder.config.headWidth,
      causal: { queries: positions, keys: positions },
      queryRows: scoringRows(ranking, vision, hidden.shape[1]),
      keyColumns: vision,
    });
  return { leaving: { hidden, positions, vision, scores: nextScores }, past };
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
  { positions: rule = "original" }: ReductionOptions = {},
): LayerResult<Tensor> {
  const all = sortAndReduce(backend, state, keep, rule);
  const [B, S] = all.positions.shape;
  const none = backend.upload(new Int32Array(0), [B, 0]);
  const others = { start: 0, length: S - 1 };
  const last = {
    hidden: backend.gatherRows(all.hidden, none, others),
    positions: backend.gatherRows(all.positions, none, others),
  };
  const { hidden: leaving, past } = transform(backend, decoder, index, last, {
    seen: all,
  });
  return { leaving, past };
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

  // attention; whoever was removed is seen by nobody any more
  const normed = (tokens: Tokens): Tensor =>
    backend.rmsNorm(tokens.hidden, layer.attentionNorm, normEpsilon);
  const rotated = (x: Tensor, weight: Weight, positions: Indices): Tensor =>
    backend.rope(backend.linear(x, weight), positions, decoder.frequencies);
  const normedSeen = normed(seen);
  const normedAsking = asking === seen ? normedSeen : normed(asking);
  const q = rotated(normedAsking, layer.query, asking.positions);
  const own: KeyValues = {
    keys: rotated(normedSeen, layer.key, seen.positions),
    values: backend.linear(normedSeen, layer.value),
    positions: seen.positions,
  };
  const all = past ? joinKeyValues(backend, past, own) : own;
  const attended = backend.attention(q, all.keys, all.values, {
    headWidth,
    causal: { queries: asking.positions, keys: all.positions },
  });
  const middle = backend.linear(attended, layer.out, {
    residual: asking.hidden,
  });

  // MLP (SwiGLU)
  const mlpIn = backend.rmsNorm(middle, layer.mlpNorm, normEpsilon);
  const gate = backend.linear(mlpIn, layer.gate);
  const mlp = backend.linear(mlpIn, layer.up, { gate });
  const hidden = backend.linear(mlp, layer.down, { residual: middle });
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

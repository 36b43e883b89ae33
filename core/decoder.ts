/**
 * The decoder, with Sort & Reduce in front of each layer. The forward pass is a
 * chain of states, so that it can be entered at any layer: G-Search fixes
 * shallow layers first and re-runs only the deeper ones.
 *
 * It is LLaMA; Qwen2, InternLM2 and Phi-3 differ in biases, in rotary
 * frequencies, and in how a checkpoint stores them. Every sample of a batch has
 * its own kept set and its own position ids. Source: transformers' LlamaModel;
 * Sort & Reduce from the paper, section 1.
 *
 * This module is browser compatible.
 */

import type {
  Backend,
  Indices,
  LinearOptions,
  Tensor,
  Weight,
} from "./backend.ts";
import type { DecoderConfig } from "./config.ts";
import { applyLinear, type Linear } from "./layers.ts";
import {
  type DecoderState,
  type PositionRule,
  type Ranking,
  scoringRows,
  sortAndReduce,
} from "./reduce.ts";
import { attentionFactor, ropeFrequencies, unscaledLength } from "./rope.ts";
import type { LinearLoad, WeightLoader } from "./weights.ts";

/** Weights of one decoder layer. */
export interface DecoderLayer {
  /** Shape [D]. */
  readonly attentionNorm: Tensor;
  /** Weight [H·E, D]. */
  readonly query: Linear;
  /** Weight [K·E, D]. */
  readonly key: Linear;
  /** Weight [K·E, D]. */
  readonly value: Linear;
  /** Weight [D, H·E]. */
  readonly out: Linear;
  /** Shape [D]. */
  readonly mlpNorm: Tensor;
  /** Weight [M, D]; without a bias, as are the next two. */
  readonly gate: Linear;
  /** Weight [M, D]. */
  readonly up: Linear;
  /** Weight [D, M]. */
  readonly down: Linear;
}

/** A decoder on a backend. */
export interface Decoder {
  /** Its sizes. */
  readonly config: DecoderConfig;
  /** Shape [V, D]. */
  readonly embedding: Tensor;
  /**
   * Rotary frequencies in radians per position, shape [E/2]: those of a short
   * sequence, where they depend on its length; see `decoderForLength`.
   */
  readonly frequencies: Tensor;
  /** From shallow to deep. */
  readonly layers: readonly DecoderLayer[];
  /** Shape [D]. */
  readonly finalNorm: Tensor;
  /** Shape [V, D]; the values of the embedding where the head is tied. */
  readonly head: Weight;
}

/** Loads the decoder of a checkpoint. */
export async function loadDecoder(
  backend: Backend,
  loader: WeightLoader,
  config: DecoderConfig,
): Promise<Decoder> {
  const { width: D, headWidth: E, vocabulary: V } = config;
  const layers: DecoderLayer[] = [];
  for (let i = 0; i < config.layers; i++) {
    layers.push(await loadLayer(loader, config, `layers.${i}`));
  }
  const embedding = ["decoder", "embedding", [V, D]] as const;
  return {
    config,
    embedding: await loader.tensor(...embedding),
    frequencies: backend.upload(ropeFrequencies(config.rope, E, 1), [E / 2]),
    layers,
    finalNorm: await loader.tensor("decoder", "finalNorm.weight", [D]),
    // Some checkpoints hold a head of their own although they need none.
    head: config.tiedHead && !loader.has("head", "linear.weight")
      ? await loader.weight(...embedding)
      : await loader.weight("head", "linear.weight", [V, D]),
  };
}

async function loadLayer(
  loader: WeightLoader,
  config: DecoderConfig,
  layer: string,
): Promise<DecoderLayer> {
  const { width: D, mlpWidth: M, qkvBias, outBias } = config;
  const queryWidth = config.heads * config.headWidth;
  const keyWidth = config.kvHeads * config.headWidth;
  // Turned queries and keys both are to carry the factor, but only their
  // product counts: the queries carry it twice.
  const factor = attentionFactor(config.rope) ** 2;
  const norm = (name: string): Promise<Tensor> =>
    loader.tensor("decoder", `${layer}.${name}.weight`, [D]);
  const linear = (
    name: string,
    sizes: [number, number],
    options: LinearLoad = { bias: false },
  ): Promise<Linear> =>
    loader.linear("decoder", `${layer}.${name}`, sizes, options);
  return {
    attentionNorm: await norm("attentionNorm"),
    query: await linear("query", [queryWidth, D], {
      bias: qkvBias,
      scale: factor === 1 ? null : new Float32Array(queryWidth).fill(factor),
    }),
    key: await linear("key", [keyWidth, D], { bias: qkvBias }),
    value: await linear("value", [keyWidth, D], { bias: qkvBias }),
    out: await linear("out", [D, queryWidth], { bias: outBias }),
    mlpNorm: await norm("mlpNorm"),
    gate: await linear("gate", [M, D]),
    up: await linear("up", [M, D]),
    down: await linear("down", [D, M]),
  };
}

/**
 * The decoder as it treats a sequence of the given length: the same one, but
 * for decoders whose rotary frequencies depend on it.
 *
 * @param length tokens in the whole sequence, before any are removed, and with
 *   those to be generated
 * @throws {RangeError} the sequence is longer than the decoder's window
 */
export function decoderForLength(
  backend: Backend,
  decoder: Decoder,
  length: number,
): Decoder {
  const { rope, headWidth: E, window } = decoder.config;
  if (window !== null && length > window) {
    throw new RangeError(
      `Cannot use a sequence as it must have at most ${window} tokens, for the model's sliding window is not implemented: current length is ${length}`,
    );
  }
  if (length <= unscaledLength(rope)) return decoder;
  const frequencies = ropeFrequencies(rope, E, length);
  return { ...decoder, frequencies: backend.upload(frequencies, [E / 2]) };
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
  return { leaving: { ...reduced, hidden, scores: nextScores }, past };
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
  const linear = (x: Tensor, layer: Linear, options?: LinearOptions): Tensor =>
    applyLinear(backend, x, layer, options);
  const rotated = (x: Tensor, layer: Linear, positions: Indices): Tensor =>
    backend.rope(linear(x, layer), positions, decoder.frequencies);
  const normedSeen = normed(seen);
  const normedAsking = asking === seen ? normedSeen : normed(asking);
  const q = rotated(normedAsking, layer.query, asking.positions);
  const own: KeyValues = {
    keys: rotated(normedSeen, layer.key, seen.positions),
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

/**
 * The weights of a decoder, in LLaMA's structure. Qwen2, InternLM2 and Phi-3
 * differ in biases, in rotary frequencies and in the layout of checkpoints.
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor, Weight } from "./backend.ts";
import type { DecoderConfig } from "./config.ts";
import type { Linear } from "./layers.ts";
import { attentionFactor, ropeFrequencies, unscaledLength } from "./rope.ts";
import type { LinearLoad, WeightLoader } from "./checkpoints/weights.ts";

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
  /** Weight [M, D], no bias; the next two have none either. */
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
   * Rotary frequencies in radians per position, shape [E/2]. If they depend on
   * the length, these are the ones of short sequences; see `decoderForLength`.
   */
  readonly frequencies: Tensor;
  /** Layers 0 … L − 1. */
  readonly layers: readonly DecoderLayer[];
  /** Shape [D]. */
  readonly finalNorm: Tensor;
  /** Shape [V, D]; a tied head has the values of the embedding. */
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
    // Some checkpoints with a tied head store a separate head all the same.
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
  // The factor belongs to rotated queries and to rotated keys. Only their
  // product matters, so the queries take it twice.
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
 * The decoder for a sequence of the given length. It differs from the given one
 * only if rotary frequencies depend on the length.
 *
 * @param length tokens in the whole sequence, including removed tokens and those
 *   to be generated
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

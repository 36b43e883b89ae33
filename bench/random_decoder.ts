/** A decoder of any size with random weights. The host holds a part at a time. */

import {
  type Backend,
  createRandom,
  type Decoder,
  type DecoderConfig,
  type DecoderLayer,
  type Linear,
  ropeFrequencies,
  type Tensor,
  type Weight,
} from "../core/mod.ts";

/** Number of random numbers; all weights repeat them. */
const DRAWN = 2 ** 20;

/** Standard deviation of weights before training, in LLaMA's configuration. */
const DEVIATION = .02;

/** Seeded numbers in 16 bits, repeated from another start each time. */
function createNumbers(seed: number): (length: number) => Float32Array {
  const random = createRandom(seed);
  const drawn = Float32Array.from(
    new Float16Array(DRAWN).map(() => DEVIATION * random.normal()),
  );
  return (length) => {
    const out = new Float32Array(length);
    let from = random.below(DRAWN);
    for (let to = 0; to < length; from = 0) {
      const part = drawn.subarray(from, from + length - to);
      out.set(part, to);
      to += part.length;
    }
    return out;
  };
}

/** Makes a decoder on a backend, layer by layer. */
export async function createRandomDecoder(
  backend: Backend,
  config: DecoderConfig,
  seed: number,
): Promise<Decoder> {
  const {
    width: D,
    heads: H,
    kvHeads: K,
    headWidth: E,
    mlpWidth: M,
    vocabulary: V,
  } = config;
  const numbers = createNumbers(seed);
  const weight = (O: number, I: number): Weight =>
    backend.uploadWeight(numbers(O * I), [O, I]);
  const linear = (O: number, I: number): Linear => ({
    weight: weight(O, I),
    bias: null,
  });
  const norm = (): Tensor => backend.upload(new Float32Array(D).fill(1), [D]);
  const layers: DecoderLayer[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    layers.push({
      attentionNorm: norm(),
      query: linear(H * E, D),
      key: linear(K * E, D),
      value: linear(K * E, D),
      out: linear(D, H * E),
      mlpNorm: norm(),
      gate: linear(M, D),
      up: linear(M, D),
      down: linear(D, M),
    });
    // WebGPU keeps a copy of uploaded bytes until the next submission.
    await backend.read(layers[layer].mlpNorm);
  }
  const length = 1; // any length: no frequency is scaled
  const frequencies = ropeFrequencies(config.rope, E, length);
  return {
    config,
    embedding: backend.upload(numbers(V * D), [V, D]),
    frequencies: backend.upload(frequencies, [E / 2]),
    layers,
    finalNorm: norm(),
    head: weight(V, D),
  };
}

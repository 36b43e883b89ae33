/**
 * The CLIP vision tower as LLaVA uses it: patches and a class token, learned
 * positions, a LayerNorm before the layers, pre-norm Transformer layers, and
 * the hidden states of a chosen layer as features, without the final
 * LayerNorm (transformers' CLIPVisionModel, CLIPEncoderLayer).
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor, Weight } from "./backend.ts";
import type { VisionConfig } from "./config.ts";
import type { WeightLoader } from "./weights.ts";

/** A LayerNorm. */
export interface Norm {
  /** Shape [D]. */
  readonly weight: Tensor;
  /** Shape [D]. */
  readonly bias: Tensor;
}

/** A linear layer. */
export interface Linear {
  /** Shape [O, I]. */
  readonly weight: Weight;
  /** Shape [O]. */
  readonly bias: Tensor;
}

/** One encoder layer; D is the tower's width, M that of its MLP. */
export interface VisionLayer {
  /** Before the attention. */
  readonly norm1: Norm;
  /** Weight [D, D]. */
  readonly query: Linear;
  /** Weight [D, D]. */
  readonly key: Linear;
  /** Weight [D, D]. */
  readonly value: Linear;
  /** Weight [D, D]; after the attention. */
  readonly out: Linear;
  /** Before the MLP. */
  readonly norm2: Norm;
  /** Weight [M, D]. */
  readonly up: Linear;
  /** Weight [D, M]. */
  readonly down: Linear;
}

/** A vision tower on a backend. D is its width. */
export interface VisionTower {
  /** Its sizes. */
  readonly config: VisionConfig;
  /** Shape [1, 1, D]. */
  readonly classToken: Tensor;
  /** Shape [D, 3·P·P]. */
  readonly patchEmbedding: Weight;
  /** Shape [1 + patches, D]. */
  readonly positions: Tensor;
  /** Before the first layer. */
  readonly preNorm: Norm;
  /** Only the layers that the features need. */
  readonly layers: readonly VisionLayer[];
}

/** Loads the vision tower of a LLaVA checkpoint. */
export async function loadVisionTower(
  loader: WeightLoader,
  config: VisionConfig,
): Promise<VisionTower> {
  const { width: D, mlpWidth: M, patchSize: P } = config;
  const patches = Math.floor(config.imageSize / P) ** 2;
  const tensor = (name: string, shape: number[], as = shape): Promise<Tensor> =>
    loader.load("vision", name, shape, as);
  const norm = async (name: string): Promise<Norm> => ({
    weight: await tensor(`${name}.weight`, [D]),
    bias: await tensor(`${name}.bias`, [D]),
  });
  const linear = async (
    name: string,
    O: number,
    I: number,
  ): Promise<Linear> => ({
    weight: await loader.loadWeight("vision", `${name}.weight`, [O, I]),
    bias: await tensor(`${name}.bias`, [O]),
  });

  const layers: VisionLayer[] = [];
  for (let i = 0; i < config.featureLayers; i++) {
    const layer = `encoder.layers.${i}`;
    layers.push({
      norm1: await norm(`${layer}.layer_norm1`),
      query: await linear(`${layer}.self_attn.q_proj`, D, D),
      key: await linear(`${layer}.self_attn.k_proj`, D, D),
      value: await linear(`${layer}.self_attn.v_proj`, D, D),
      out: await linear(`${layer}.self_attn.out_proj`, D, D),
      norm2: await norm(`${layer}.layer_norm2`),
      up: await linear(`${layer}.mlp.fc1`, M, D),
      down: await linear(`${layer}.mlp.fc2`, D, M),
    });
  }
  return {
    config,
    classToken: await tensor("embeddings.class_embedding", [D], [1, 1, D]),
    patchEmbedding: await loader.loadWeight(
      "vision",
      "embeddings.patch_embedding.weight",
      [D, 3, P, P],
      [D, 3 * P * P],
    ),
    positions: await tensor("embeddings.position_embedding.weight", [
      1 + patches,
      D,
    ]),
    preNorm: await norm("pre_layrnorm"), // so spelt in every checkpoint
    layers,
  };
}

/**
 * Runs the vision tower.
 *
 * @param patches normalised patches, shape [B, patches, 3·P·P]
 * @param onLayer called with the hidden states [B, 1 + patches, D] that enter
 *   each layer, and last with those that leave the last one
 * @returns features, shape [B, patches (+ 1 with the class token), D]
 */
export function encodeImage(
  backend: Backend,
  tower: VisionTower,
  patches: Tensor,
  onLayer?: (hidden: Tensor) => void,
): Tensor {
  const { heads, width, normEpsilon, dropClassToken } = tower.config;
  const [B, N] = patches.shape;
  const norm = (x: Tensor, { weight, bias }: Norm): Tensor =>
    backend.layerNorm(x, weight, bias, normEpsilon);
  const linear = (x: Tensor, { weight, bias }: Linear): Tensor =>
    backend.linear(x, weight, { bias });

  // embeddings: the class token in front of the patches, and where each stands
  const classTokens = Array.from({ length: B }, () => tower.classToken);
  let x = backend.concat([
    backend.concat(classTokens, 0),
    backend.linear(patches, tower.patchEmbedding),
  ], 1);
  x = norm(backend.add(x, tower.positions), tower.preNorm);

  for (const layer of tower.layers) {
    onLayer?.(x);
    // attention, every token to every token
    const n1 = norm(x, layer.norm1);
    const attended = backend.attention(
      linear(n1, layer.query),
      linear(n1, layer.key),
      linear(n1, layer.value),
      { headWidth: width / heads },
    );
    x = backend.linear(attended, layer.out.weight, {
      bias: layer.out.bias,
      residual: x,
    });

    // MLP
    const hidden = backend.linear(norm(x, layer.norm2), layer.up.weight, {
      bias: layer.up.bias,
      activation: tower.config.activation,
    });
    x = backend.linear(hidden, layer.down.weight, {
      bias: layer.down.bias,
      residual: x,
    });
  }
  onLayer?.(x);
  return dropClassToken ? backend.sliceRows(x, { start: 1, length: N }) : x;
}

/**
 * The vision towers: CLIP as LLaVA uses it, and InternViT. They embed patches and
 * a class token, add learned positions and run pre-norm Transformer layers. The
 * features are the hidden states of a chosen layer, without a final norm
 * (transformers' CLIPVisionModel and InternVLVisionModel, the original
 * InternVisionModel).
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor } from "./backend.ts";
import type { VisionConfig } from "./config.ts";
import { applyLinear, applyNorm, type Linear, type Norm } from "./layers.ts";
import type { LinearLoad, WeightLoader } from "./checkpoints/weights.ts";

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
  /** A norm over all heads of the queries, or null. */
  readonly queryNorm: Norm | null;
  /** The same for the keys. */
  readonly keyNorm: Norm | null;
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
  /** Weight [D, 3·P·P]. */
  readonly patchEmbedding: Linear;
  /** Shape [1 + patches, D]. */
  readonly positions: Tensor;
  /** A norm before the first layer, or null. */
  readonly preNorm: Norm | null;
  /** Only the layers that the features need. */
  readonly layers: readonly VisionLayer[];
}

/** Loads the vision tower of a checkpoint. */
export async function loadVisionTower(
  loader: WeightLoader,
  config: VisionConfig,
): Promise<VisionTower> {
  const { width: D, patchSize: P } = config;
  const patches = Math.floor(config.imageSize / P) ** 2;
  const intern = config.type === "intern";
  const lead = intern ? [1] : []; // InternViT stores a dimension for the batch

  const layers: VisionLayer[] = [];
  for (let i = 0; i < config.layers; i++) {
    if (i < config.featureLayers) {
      layers.push(await loadLayer(loader, config, `layers.${i}`));
    } else loader.skipLayer("vision", i);
  }
  return {
    config,
    classToken: await loader.tensor(
      "vision",
      "classToken",
      [...lead, ...lead, D],
      [1, 1, D],
    ),
    patchEmbedding: await loader.linear(
      "vision",
      "patchEmbedding",
      [D, 3 * P * P],
      { bias: intern, stored: [D, 3, P, P] },
    ),
    positions: await loader.tensor(
      "vision",
      "positions",
      [...lead, 1 + patches, D],
      [1 + patches, D],
    ),
    preNorm: intern
      ? null
      : await loader.norm("vision", "preNorm", D, config.norm),
    layers,
  };
}

/**
 * Loads one layer. InternViT multiplies the outputs of attention and MLP by
 * learned scales s. As s · (W x + b) = (s W) x + s b, the scales are folded into
 * the last linear layers of both.
 */
async function loadLayer(
  loader: WeightLoader,
  { type, width: D, mlpWidth: M, norm, qkvBias, qkNormEpsilon }: VisionConfig,
  layer: string,
): Promise<VisionLayer> {
  const scale = async (name: string): Promise<Float32Array | null> =>
    type === "intern"
      ? await loader.values("vision", `${layer}.${name}`, [D])
      : null;
  const normOf = (name: string, kind = norm): Promise<Norm> =>
    loader.norm("vision", `${layer}.${name}`, D, kind);
  const linear = (
    name: string,
    sizes: [number, number],
    options: LinearLoad = {},
  ): Promise<Linear> =>
    loader.linear("vision", `${layer}.${name}`, sizes, options);
  const qkNorm = async (name: string): Promise<Norm | null> =>
    qkNormEpsilon === null ? null : await normOf(name, "rms");
  return {
    norm1: await normOf("norm1"),
    query: await linear("query", [D, D], { bias: qkvBias }),
    key: await linear("key", [D, D], { bias: qkvBias }),
    value: await linear("value", [D, D], { bias: qkvBias }),
    queryNorm: await qkNorm("queryNorm"),
    keyNorm: await qkNorm("keyNorm"),
    out: await linear("out", [D, D], { scale: await scale("outScale") }),
    norm2: await normOf("norm2"),
    up: await linear("up", [M, D]),
    down: await linear("down", [D, M], { scale: await scale("downScale") }),
  };
}

/**
 * Runs the vision tower.
 *
 * @param patches normalised patches, shape [B, patches, 3·P·P]
 * @param onLayer called with the input of each layer, [B, 1 + patches, D], and
 *   finally with the output of the last layer
 * @returns features, shape [B, patches (+ 1 with the class token), D]
 */
export function encodeImage(
  backend: Backend,
  tower: VisionTower,
  patches: Tensor,
  onLayer?: (hidden: Tensor) => void,
): Tensor {
  const { normEpsilon, dropClassToken } = tower.config;
  const [B, N] = patches.shape;

  // Embeddings: class token, then patches; plus positions.
  const classTokens = Array.from({ length: B }, () => tower.classToken);
  const embedded = backend.concat([
    backend.concat(classTokens, 0),
    applyLinear(backend, patches, tower.patchEmbedding),
  ], 1);
  let x = backend.add(embedded, tower.positions);
  if (tower.preNorm) x = applyNorm(backend, x, tower.preNorm, normEpsilon);

  for (const layer of tower.layers) {
    onLayer?.(x);
    const entering = x;
    x = backend.scope(() =>
      encoderLayer(backend, tower.config, layer, entering)
    );
  }
  onLayer?.(x);
  return dropClassToken ? backend.sliceRows(x, { start: 1, length: N }) : x;
}

function encoderLayer(
  backend: Backend,
  { heads, width, normEpsilon, qkNormEpsilon, activation }: VisionConfig,
  layer: VisionLayer,
  x: Tensor,
): Tensor {
  const linear = (x: Tensor, layer: Linear): Tensor =>
    applyLinear(backend, x, layer);
  const qkNorm = (x: Tensor, norm: Norm | null): Tensor =>
    norm ? applyNorm(backend, x, norm, qkNormEpsilon!) : x;

  // Attention, not causal.
  const n1 = applyNorm(backend, x, layer.norm1, normEpsilon);
  const attended = backend.attention(
    qkNorm(linear(n1, layer.query), layer.queryNorm),
    qkNorm(linear(n1, layer.key), layer.keyNorm),
    linear(n1, layer.value),
    { headWidth: width / heads },
  );
  const middle = applyLinear(backend, attended, layer.out, { residual: x });

  // MLP.
  const n2 = applyNorm(backend, middle, layer.norm2, normEpsilon);
  const hidden = applyLinear(backend, n2, layer.up, { activation });
  return applyLinear(backend, hidden, layer.down, { residual: middle });
}

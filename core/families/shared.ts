/**
 * Parts of the parsers that several families share.
 *
 * This module is browser compatible.
 */

import type { Activation } from "../backend.ts";
import type { VisionConfig } from "../config.ts";
import type { Fields } from "../checkpoints/fields.ts";

/** Names of activations in config.json. */
export const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  "gelu": "gelu",
  "gelu_pytorch_tanh": "gelu_tanh",
  "gelu_new": "gelu_tanh",
  "quick_gelu": "quick_gelu",
};

/** No model has more layers; a larger number is an error in the file. */
export const MAX_LAYERS = 1024;

/** Norms by their names in config.json. */
export const NORMS = { "layer_norm": "layer", "rms_norm": "rms" } as const;

/**
 * The number of layers that run before the features are taken. The setting counts
 * hidden states: 0 is the embedding, −1 the output of the last layer.
 */
export function featureLayers(
  fields: Fields,
  field: string,
  layers: number,
  fallback: number,
): number {
  const layer = fields.integer(field, fallback, -layers - 1, layers);
  return layer < 0 ? layers + 1 + layer : layer;
}

/**
 * N, vision tokens of a tile whose patches are merged 2 × 2.
 *
 * @throws {RangeError} the ratio is another, or patches would be left over
 */
export function mergedTokens(
  top: Fields,
  { imageSize, patchSize }: VisionConfig,
): number {
  const ratio = top.positive("downsample_ratio", 0.5);
  if (ratio !== 0.5) throw top.error("downsample_ratio", "must be 0.5", ratio);
  const grid = Math.floor(imageSize / patchSize);
  if (grid < 2 || grid % 2 !== 0) {
    throw top.error(
      "vision_config.image_size",
      `must be an even number of patches of ${patchSize} pixels`,
      imageSize,
    );
  }
  return (grid / 2) ** 2;
}

/**
 * Prefixes of the parts in checkpoints of different transformers versions: of
 * version 5, of versions before 4.52, and the names of the parts in the class
 * since then.
 */
export const PREFIXES = {
  vision: ["vision_tower.", "model.vision_tower."],
  projector: ["multi_modal_projector.", "model.multi_modal_projector."],
  decoder: ["language_model.model.", "model.language_model."],
  head: ["language_model.", ""],
} as const;

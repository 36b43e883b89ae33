/**
 * A loaded model's sizes, as the cost formulas take them.
 */

import type { ModelConfig } from "../core/mod.ts";
import { type ModelShape, visionFlops } from "../search/mod.ts";

/**
 * The sizes that the cost formulas need of a model, for an image of one tile.
 */
export function modelShape(config: ModelConfig): ModelShape {
  const { vision, projector, decoder } = config;
  const patches = Math.floor(vision.imageSize / vision.patchSize) ** 2;
  return {
    layers: decoder.layers,
    width: decoder.width,
    kvWidth: decoder.kvHeads * decoder.headWidth,
    mlpWidth: decoder.mlpWidth,
    vocabulary: decoder.vocabulary,
    visionFlops: visionFlops({
      images: 1,
      layers: vision.featureLayers,
      width: vision.width,
      mlpWidth: vision.mlpWidth,
      patches,
      patchInputs: 3 * vision.patchSize ** 2,
      tokens: patches + 1,
      projectorTokens: config.visionTokens,
      projectorWidths: [
        projector.merge ** 2 * vision.width,
        decoder.width,
        decoder.width,
      ],
    }),
  };
}

/**
 * From images to vision tokens: vision tower and projector.
 *
 * This module is browser compatible.
 */

import type { Tensor } from "./backend.ts";
import { extractPatches, type RgbImage } from "./images/image.ts";
import type { VisionLanguageModel } from "./model.ts";
import { project } from "./projector.ts";
import { encodeImage } from "./vision.ts";

/**
 * Images → vision tokens, shape [B, N, D].
 *
 * @throws {RangeError} an image does not have the model's size
 */
export function embedImages(
  { backend, config, normalization, tower, projector }: VisionLanguageModel,
  images: readonly RgbImage[],
): Tensor {
  const { imageSize, patchSize } = config.vision;
  const patches = extractPatches(images, imageSize, patchSize, normalization);
  const width = 3 * patchSize * patchSize;
  return backend.scope(() => {
    const x = backend.upload(patches, [
      images.length,
      patches.length / images.length / width,
      width,
    ]);
    return project(backend, projector, encodeImage(backend, tower, x));
  });
}

/**
 * Images of several tiles → vision tokens, shape [B, tiles · N, D], in the order
 * of the tiles.
 *
 * @param samples the tiles of each image, the same number for all
 * @throws {TypeError} the numbers differ
 * @throws {RangeError} a tile does not have the model's size
 */
export function embedTiles(
  model: VisionLanguageModel,
  samples: readonly (readonly RgbImage[])[],
): Tensor {
  const [first] = samples;
  for (const tiles of samples) {
    if (tiles.length !== first.length) {
      throw new TypeError(
        `Cannot batch images as all must have ${first.length} tiles: current image has ${tiles.length}`,
      );
    }
  }
  // Encoding one tile of each image at a time bounds the memory.
  return model.backend.scope(() =>
    model.backend.concat(
      first.map((_, tile) =>
        embedImages(model, samples.map((tiles) => tiles[tile]))
      ),
      1,
    )
  );
}

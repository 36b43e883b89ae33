/**
 * From RGB bytes to the patches that the vision tower embeds.
 *
 * This module is browser compatible.
 */

import { Fields } from "../checkpoints/fields.ts";

/** A picture in memory. */
export interface RgbImage {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Bytes of shape [height, width, 3], rows from the top. */
  readonly data: Uint8Array;
}

/** How pixel values are normalised: (byte · scale − mean) / deviation. */
export interface Normalization {
  /** Usually 1 / 255. */
  readonly scale: number;
  /** Per channel, R, G, B. */
  readonly mean: readonly number[];
  /** Standard deviation per channel, R, G, B. */
  readonly deviation: readonly number[];
}

/** The defaults of transformers' CLIPImageProcessor. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_DEVIATION = [0.26862954, 0.26130258, 0.27577711];

/**
 * Reads the normalisation from a `preprocessor_config.json`.
 *
 * @param json its parsed content
 * @param label its name in error messages
 * @throws {TypeError} or {RangeError} naming the field that is wrong
 */
export function parseNormalization(
  json: unknown,
  label: string = "preprocessor_config.json",
): Normalization {
  const fields = new Fields(json, label);
  const rescale = fields.boolean("do_rescale", true);
  const normalize = fields.boolean("do_normalize", true);
  const deviation = fields.numbers("image_std", 3, CLIP_DEVIATION);
  if (deviation.includes(0)) {
    throw fields.error("image_std", "must not hold 0", deviation);
  }
  return {
    scale: rescale ? fields.positive("rescale_factor", 1 / 255) : 1,
    mean: normalize ? fields.numbers("image_mean", 3, CLIP_MEAN) : [0, 0, 0],
    deviation: normalize ? deviation : [1, 1, 1],
  };
}

/**
 * Cuts images into normalised patches, laid out like the weights of the patch
 * embedding, so that its convolution is one matrix product.
 *
 * @param images B pictures of imageSize × imageSize pixels
 * @param patchSize P, in pixels; a rest at the right and bottom is left out,
 *   as a convolution of stride P does
 * @returns shape [B, patches, 3·P·P], patches row by row, within a patch
 *   channel first
 * @throws {RangeError} an image has another size
 */
export function extractPatches(
  images: readonly RgbImage[],
  imageSize: number,
  patchSize: number,
  { scale, mean, deviation }: Normalization,
): Float32Array {
  const P = patchSize;
  const grid = Math.floor(imageSize / P);
  const out = new Float32Array(images.length * grid * grid * 3 * P * P);
  let at = 0;
  for (const image of images) {
    checkSize(image, imageSize);
    for (let patch = 0; patch < grid * grid; patch++) {
      const corner = Math.floor(patch / grid) * P * imageSize +
        (patch % grid) * P;
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < P; y++) {
          for (let x = 0; x < P; x++) {
            const byte = image.data[(corner + y * imageSize + x) * 3 + c];
            out[at++] = (byte * scale - mean[c]) / deviation[c];
          }
        }
      }
    }
  }
  return out;
}

function checkSize(image: RgbImage, imageSize: number): void {
  if (image.width !== imageSize || image.height !== imageSize) {
    throw new RangeError(
      `Cannot use an image as its size must be ${imageSize} x ${imageSize} pixels: current size is ${image.width} x ${image.height}`,
    );
  }
  checkImage(image);
}

/**
 * Checks that the number of bytes of an image matches its size.
 *
 * @throws {RangeError} it has more or fewer
 */
export function checkImage({ width, height, data }: RgbImage): void {
  if (data.length !== width * height * 3) {
    throw new RangeError(
      `Cannot use an image as it must hold ${
        width * height * 3
      } bytes: current length is ${data.length}`,
    );
  }
}

/**
 * CLIP's preparation of a picture: resize it and crop the centre.
 *
 * This module is browser compatible.
 */

import type { RgbImage } from "./image.ts";
import { type ResampleFilter, resizeImage, type Size } from "./resize.ts";

/** How a picture is resized and cropped. */
export interface CenterCrop {
  /** The new size, or that of the shorter side; null does not resize. */
  readonly resize: Size | { readonly shortestEdge: number } | null;
  /** Size of the crop, padded with black if needed; null does not crop. */
  readonly crop: Size | null;
}

/**
 * Resizes a picture and crops the centre (`resize` and `center_crop` of
 * transformers' CLIPImageProcessorPil). Only the crop is computed, so that a very
 * thin picture does not need much memory.
 */
export function cropCenter(
  image: RgbImage,
  { resize, crop: kept }: CenterCrop,
  filter: ResampleFilter,
): RgbImage {
  const canvas = resizedSize(image, resize);
  const crop = kept ?? canvas;
  const across = keptSpan(canvas.width, crop.width);
  const down = keptSpan(canvas.height, crop.height);
  const part = resizeImage(image, {
    ...canvas,
    filter,
    region: {
      left: across.start,
      top: down.start,
      width: across.length,
      height: down.length,
    },
  });
  return addBorder(part, crop, { left: across.border, top: down.border });
}

/** Rounds the longer side down, as CLIP does. */
function resizedSize(
  { width, height }: Size,
  resize: CenterCrop["resize"],
): Size {
  if (resize === null) return { width, height };
  if (!("shortestEdge" in resize)) return resize;
  const { shortestEdge } = resize;
  const long = Math.floor(
    shortestEdge * Math.max(width, height) / Math.min(width, height),
  );
  return width <= height
    ? { width: shortestEdge, height: long }
    : { width: long, height: shortestEdge };
}

/** The crop of one side, and the border before it. */
function keptSpan(
  side: number,
  crop: number,
): { start: number; length: number; border: number } {
  const start = Math.floor((side - crop) / 2);
  return {
    start: Math.max(start, 0),
    length: Math.min(side, crop),
    border: Math.max(-start, 0),
  };
}

/** Pads a picture with black. */
function addBorder(
  image: RgbImage,
  { width, height }: Size,
  { left, top }: { left: number; top: number },
): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const stride = image.width * 3;
  for (let y = 0; y < image.height; y++) {
    data.set(
      image.data.subarray(y * stride, (y + 1) * stride),
      ((top + y) * width + left) * 3,
    );
  }
  return { width, height, data };
}

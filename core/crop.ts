/**
 * CLIP's way to a picture of the model's size: resize it and keep the middle.
 *
 * This module is browser compatible.
 */

import type { RgbImage } from "./image.ts";
import { type ResampleFilter, resizeImage, type Size } from "./resize.ts";

/** How a picture is resized, and what is kept. */
export interface CenterCrop {
  /** The new size, or of the shorter side alone; null leaves the picture. */
  readonly resize: Size | { readonly shortestEdge: number } | null;
  /** What is kept, with black added where less is there; null keeps all. */
  readonly crop: Size | null;
}

/**
 * Resizes a picture and keeps the middle (`resize` and `center_crop` of
 * transformers' CLIPImageProcessorPil). Computes no more than is kept, so that
 * a picture as thin as a thread takes no memory.
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

/** The middle of a side: what is kept of it, and the border before that. */
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

/** Puts a picture onto a black one. */
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

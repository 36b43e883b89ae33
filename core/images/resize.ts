/**
 * Resampling of images, equal byte for byte to Pillow's `Image.resize`, on whose
 * pixels the models were trained.
 *
 * This module is browser compatible.
 */

import { checkImage, type RgbImage } from "./image.ts";

/** How neighbouring pixels are weighted; both widen when an image shrinks. */
export type ResampleFilter = "bilinear" | "bicubic";

/** The size of a picture, in pixels. */
export interface Size {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
}

/** A rectangle of a picture. */
export interface Region extends Size {
  /** Columns before it. */
  readonly left: number;
  /** Rows above it. */
  readonly top: number;
}

/** The result that `resizeImage` makes. */
export interface ResizeOptions extends Size {
  /** Default "bicubic". */
  readonly filter?: ResampleFilter;
  /**
   * The only part of the result that is computed and returned, inside it.
   * Default: all.
   */
  readonly region?: Region;
}

/** Weights are integers of this many binary places, as in Pillow. */
const PRECISION_BITS = 32 - 8 - 2;

/** One half in this format: sums start with it, so that they are rounded. */
const HALF = 1 << (PRECISION_BITS - 1);

const FILTERS = {
  bilinear: { support: 1, weight: (x: number) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: bicubic },
};

/**
 * Resizes an image with antialiasing in two passes, each rounded to bytes. Equal
 * to `Image.resize((width, height), filter)` of Pillow 13
 * (libImaging/Resample.c); a region equals a crop of that. Before version 13,
 * Pillow always started with the horizontal pass, and some bytes differ where
 * this order does.
 *
 * @throws {RangeError} the image's bytes do not match its size, or the region
 *   is not one of whole pixels inside the new size
 */
export function resizeImage(
  image: RgbImage,
  { width, height, filter = "bicubic", region }: ResizeOptions,
): RgbImage {
  checkImage(image);
  const part = region ?? { left: 0, top: 0, width, height };
  checkRegion(part, { width, height });
  const across = planPass(filter, {
    from: image.width,
    to: width,
    offset: part.left,
    length: part.width,
  });
  const down = planPass(filter, {
    from: image.height,
    to: height,
    offset: part.top,
    length: part.height,
  });
  const source: Pixels = {
    ...image,
    width: across.span,
    height: down.span,
    start: (down.start * image.width + across.start) * 3,
    stride: image.width * 3,
  };
  const { data } = shrinksMostlyDown(image, { width, height })
    ? resample(resample(source, down, "down"), across, "across")
    : resample(resample(source, across, "across"), down, "down");
  return { width: part.width, height: part.height, data };
}

/** Whether Pillow starts with the vertical pass, because that is less work. */
function shrinksMostlyDown(from: Size, to: Size): boolean {
  const less = from.height - to.height;
  return less > 0 && less > 2 * (from.width - to.width);
}

/** The weights of one pass along its axis. */
interface Pass {
  /** The first source pixel that any result pixel reads. */
  readonly start: number;
  /** How many source pixels are read from there on. */
  readonly span: number;
  /** The first source pixel of each result pixel, counted from `start`. */
  readonly first: Int32Array;
  /** How many source pixels it reads. */
  readonly count: Int32Array;
  /** Their weights, `taps` places for each result pixel. */
  readonly weights: Int32Array;
  readonly taps: number;
}

/** A side of an image, and which part of its new length is wanted. */
interface Side {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  readonly length: number;
}

function planPass(
  filter: ResampleFilter,
  { from, to, offset, length }: Side,
): Pass {
  const { support, weight } = FILTERS[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const taps = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < length; i++) {
    const center = (offset + i + 0.5) * scale;
    const low = Math.max(Math.trunc(center - reach + 0.5), 0);
    const high = Math.min(Math.trunc(center + reach + 0.5), from);
    let sum = 0;
    for (let t = 0; t < high - low; t++) {
      // Pillow multiplies by the inverse; a quotient would round differently.
      exact[t] = weight((t + low - center + 0.5) * (1 / stretch));
      sum += exact[t];
    }
    for (let t = 0; t < high - low; t++) {
      weights[i * taps + t] = toFixedPoint(exact[t] / sum);
    }
    first[i] = low;
    count[i] = high - low;
  }
  const start = first[0];
  const span = first[length - 1] + count[length - 1] - start;
  return {
    start,
    span,
    first: first.map((i) => i - start),
    count,
    weights,
    taps,
  };
}

/** Pixels of three bytes, in rows that may be part of longer ones. */
interface Pixels extends Size {
  readonly data: Uint8Array;
  /** Where the first row starts. */
  readonly start: number;
  /** From one row to the next, in bytes. */
  readonly stride: number;
}

/** One pass over the pixels. */
function resample(
  { data, start, stride, ...size }: Pixels,
  { first, count, weights, taps }: Pass,
  direction: "across" | "down",
): Pixels {
  const across = direction === "across";
  const width = across ? first.length : size.width;
  const height = across ? size.height : first.length;
  const bytes = new Uint8ClampedArray(height * width * 3);
  const along = across ? 3 : stride;
  const beside = across ? stride : 3;
  let out = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = across ? x : y;
      let at = start + first[i] * along + (across ? y : x) * beside;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      const end = i * taps + count[i];
      for (let t = i * taps; t < end; t++) {
        const weight = weights[t];
        red += Math.imul(weight, data[at]);
        green += Math.imul(weight, data[at + 1]);
        blue += Math.imul(weight, data[at + 2]);
        at += along;
      }
      bytes[out++] = red >> PRECISION_BITS;
      bytes[out++] = green >> PRECISION_BITS;
      bytes[out++] = blue >> PRECISION_BITS;
    }
  }
  const result = new Uint8Array(bytes.buffer);
  return { data: result, width, height, start: 0, stride: width * 3 };
}

/** Keys' cubic convolution with a = −1/2. */
function bicubic(offset: number): number {
  const a = -0.5;
  const x = Math.abs(offset);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Rounds half away from zero. */
function toFixedPoint(weight: number): number {
  return Math.trunc(weight * 2 ** PRECISION_BITS + (weight < 0 ? -0.5 : 0.5));
}

function checkRegion(
  { left, top, width, height }: Region,
  size: Size,
): void {
  const fits = (start: number, length: number, all: number) =>
    Number.isInteger(all) && Number.isInteger(start) &&
    Number.isInteger(length) && start >= 0 && length >= 1 &&
    start + length <= all;
  if (!fits(left, width, size.width) || !fits(top, height, size.height)) {
    throw new RangeError(
      `Cannot resize an image as the result must be whole pixels inside the new size: current result is ${width} x ${height} at (${left}, ${top}) of ${size.width} x ${size.height}`,
    );
  }
}

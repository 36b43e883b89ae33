/**
 * The kinds of image that can be asked about.
 */

import type { RgbImage } from "../core/mod.ts";
import { decodeImage } from "../io/mod.ts";

/** Pixels with opacity, as a canvas gives them: `ImageData` of browsers. */
export interface RgbaImage {
  /** Pixels per row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Red, green, blue, opacity, row by row: 4 × width × height bytes. */
  readonly data: Uint8ClampedArray;
}

/**
 * An image: the bytes of a JPEG, PNG, WebP or GIF file (`Blob` and `File`
 * included), or pixels, red, green and blue, with opacity or without.
 */
export type AnyImage = Uint8Array | Blob | RgbImage | RgbaImage;

/**
 * The pixels of an image. Opacity is dropped, as `decodeImage` does.
 *
 * @throws {SyntaxError} bytes are not an image
 * @throws {RangeError} there are more or fewer pixels than its size says
 */
export async function toRgbImage(image: AnyImage): Promise<RgbImage> {
  if (image instanceof Uint8Array) return await decodeImage(image, "the image");
  if (image instanceof Blob) {
    const { name = "the image" } = image as { readonly name?: string };
    return await decodeImage(new Uint8Array(await image.arrayBuffer()), name);
  }
  const { width, height, data } = image;
  const pixels = width * height;
  switch (data.length) {
    case 3 * pixels:
      return { width, height, data: Uint8Array.from(data) };
    case 4 * pixels: {
      const rgb = new Uint8Array(3 * pixels);
      for (let p = 0; p < pixels; p++) {
        for (let c = 0; c < 3; c++) rgb[3 * p + c] = data[4 * p + c];
      }
      return { width, height, data: rgb };
    }
    default:
      throw new RangeError(
        `Cannot use an image as ${width} x ${height} pixels must have ${
          3 * pixels
        } or ${4 * pixels} bytes: current number is ${data.length}`,
      );
  }
}

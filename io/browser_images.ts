// Image files to pixels in a browser, which decodes them itself.

import type { RgbImage } from "../core/images/image.ts";
import { type ImageFormat, withoutExif } from "./orientation.ts";

/** What is used of a browser's OffscreenCanvas. */
interface Canvas {
  getContext(type: "2d", options: { willReadFrequently: boolean }): {
    drawImage(image: ImageBitmap, x: number, y: number): void;
    getImageData(x: number, y: number, width: number, height: number): {
      readonly data: Uint8ClampedArray;
    };
  };
}

const { OffscreenCanvas } = globalThis as unknown as {
  readonly OffscreenCanvas?: new (width: number, height: number) => Canvas;
};

/** Whether this is a place where the browser decodes images. */
export const inBrowser: boolean = OffscreenCanvas !== undefined &&
  // Its canvas can be drawn on by WebGPU only.
  !navigator.userAgent.startsWith("Deno");

/**
 * The pixels of an image file as they lie in it, without its colour profile. A
 * canvas multiplies colours by their opacity: what shows through is black here.
 *
 * @throws {DOMException} If the browser cannot decode it.
 */
export async function decodeInBrowser(
  bytes: Uint8Array,
  format: ImageFormat,
): Promise<RgbImage> {
  const pieces = withoutExif(bytes, format).map((piece) => piece.slice());
  const bitmap = await createImageBitmap(new Blob(pieces), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas!(width, height)
    .getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data: rgba } = context.getImageData(0, 0, width, height);
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) data[3 * pixel + c] = rgba[4 * pixel + c];
  }
  return { width, height, data };
}

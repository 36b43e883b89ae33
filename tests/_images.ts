// Fixture images: image files of every form, and what Pillow and transformers
// make of them and of drawn images (fixtures/make_images.py).

import type { RgbImage } from "../core/mod.ts";
import fixture from "./fixtures/images.json" with { type: "json" };

/** An image of a file's name, or one that `drawImage` draws at this size. */
export type ImageSource = string | readonly number[];

/** What Pillow's `Image.resize` makes of an image that `drawImage` draws. */
export interface ResizedImage {
  /** Width and height. */
  readonly from: readonly number[];
  /** Width and height. */
  readonly to: readonly number[];
  /** A `ResampleFilter`. */
  readonly filter: string;
  /** Of the resized bytes. */
  readonly sha256: string;
}

/** What one processor makes of one image. */
export interface ProcessedImage {
  readonly image: ImageSource;
  /** A preprocessor_config.json. */
  readonly config: unknown;
  /** [pictures, 3, height, width]. */
  readonly shape: readonly number[];
  /** Of each picture's bytes before normalisation, channels last. */
  readonly sha256: readonly string[];
  /** Which pixel values of each picture are known, channels first. */
  readonly at: readonly number[];
  /** Those of each picture. */
  readonly values: readonly (readonly number[])[];
}

/** An image file and the pixels that Pillow decodes it to. */
export interface DecodedFile {
  readonly name: string;
  readonly file: Uint8Array;
  readonly image: RgbImage;
}

/** Every image file. */
export const FILES: readonly DecodedFile[] = Object.entries(fixture.files).map(
  ([name, { file, size: [width, height], pixels }]) => ({
    name,
    file: Uint8Array.fromBase64(file),
    image: { width, height, data: Uint8Array.fromBase64(pixels) },
  }),
);

/** What processors make of images. */
export const PROCESSED: readonly ProcessedImage[] = fixture.processed;

/** Images that `drawImage` draws, resized by Pillow. */
export const RESIZED: readonly ResizedImage[] = fixture.resized;

/** An image of the fixture. */
export function imageOf(source: ImageSource): RgbImage {
  if (typeof source !== "string") return drawImage(source[0], source[1]);
  return FILES.find(({ name }) => name === source)!.image;
}

/** Stripes with noise, as `draw` of the fixture's script. */
export function drawImage(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const noise = Math.imul(i, 2654435761) >>> 26;
        data[i++] = x * (c + 2) + y * (7 - c) + noise;
      }
    }
  }
  return { width, height, data };
}

/** The SHA-256 of bytes, in hexadecimal. */
export async function sumOf(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return new Uint8Array(digest).toHex();
}

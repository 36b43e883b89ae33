// Image files to pixels: the npm package sharp (libvips) decodes them, in a page
// the browser does.

import type { RgbImage } from "../core/images/image.ts";
import {
  type ImageFormat,
  readOrientation,
  turnUpright,
  withoutExif,
} from "./orientation.ts";

export type { RgbImage } from "../core/images/image.ts";

/**
 * The package's name, which is imported when the first image is decoded. An
 * import of a literal would make Deno fetch 40 MB before any program starts, and
 * bundlers for pages would include it. Only Deno takes a version here, which is
 * that of deno.json.
 */
const SHARP = "Deno" in globalThis ? "npm:sharp@0.35.5" : "sharp";

/** Pillow's limit, 0.5 GB of pixels; larger images are refused. */
const MAX_PIXELS = 178_956_970;

/**
 * Decodes a JPEG, PNG, WebP or GIF image (its first picture) as Pillow's
 * `convert("RGB")` does, with which models were trained: grey becomes three equal
 * channels, an alpha channel is dropped, a colour profile is ignored, and 16-bit
 * grey is clipped at 255, which makes nearly all of it white. A photograph is
 * turned upright first, as Hugging Face's `load_image` does.
 *
 * Two things differ from Pillow. The part of a GIF's screen that its picture does
 * not cover is black. A PNG is refused if the checksum of a chunk that matters
 * for the pixels is wrong; checksums of other chunks are ignored. Pillow checks
 * all chunks before the pixels and none after, so it shows damaged pixels and
 * refuses whole ones.
 *
 * In a browser colours under transparency are lost, CMYK is converted by its
 * profile, and 16-bit grey keeps its upper bytes.
 *
 * @param bytes The image file's bytes.
 * @param label The image's name in errors, usually its path.
 * @returns The pixels.
 * @throws {SyntaxError} If the bytes are not a whole image.
 * @throws {RangeError} If it has more than 178,956,970 pixels.
 * @throws {Error} If the package sharp is not installed and cannot be fetched.
 */
export async function decodeImage(
  bytes: Uint8Array,
  label: string,
): Promise<RgbImage> {
  const format = formatOf(bytes);
  if (format === undefined) {
    throw new SyntaxError(
      `Cannot decode ${label} as it must be a JPEG, PNG, WebP or GIF image: ${
        bytes.length === 0
          ? "it is empty"
          : `its first bytes are ${toHex(bytes.subarray(0, 12))}`
      }`,
    );
  }
  const file = { bytes, format, label };
  const image = inBrowser
    ? await whole(decodeInBrowser(bytes, format), file)
    : await decodeBySharp(file);
  return turnUpright(image, await readOrientation(bytes, format));
}

/** An image file. */
interface ImageFile {
  readonly bytes: Uint8Array;
  readonly format: ImageFormat;
  readonly label: string;
}

/** The result of a decoder, or an error that names the file. */
async function whole<T>(
  result: Promise<T>,
  { bytes, format, label }: ImageFile,
): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    throw new SyntaxError(
      `Cannot decode ${label} as its ${format} data is cut short or broken: current length is ${bytes.length} bytes`,
      { cause },
    );
  }
}

/** The pixels before the image is turned upright. */
async function decodeBySharp(file: ImageFile): Promise<RgbImage> {
  const { bytes, format, label } = file;
  const { default: sharp } = await loadSharp(label, "decode");
  const input = sharp(format === "GIF" ? showTransparent(bytes) : bytes, {
    ignoreIcc: true,
    // Pillow shows a JPEG that is damaged but whole.
    failOn: "error",
    limitInputPixels: false,
  });
  const { width, height, space } = await whole(input.metadata(), file);
  if (width * height > MAX_PIXELS) {
    throw new RangeError(
      `Cannot decode ${label} as it must have at most ${MAX_PIXELS} pixels: current size is ${width} x ${height}`,
    );
  }
  const is16BitGrey = format === "PNG" && bytes[24] === 16 && bytes[25] === 0;
  const isCmyk = space === "cmyk";
  const colours = is16BitGrey
    ? input.removeAlpha().pipelineColourspace("grey16")
      .toColourspace("grey16").raw({ depth: "ushort" })
    : isCmyk
    ? input.pipelineColourspace("cmyk").toColourspace("cmyk")
      .raw({ depth: "uchar" })
    : input.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" });
  const { data, info } = await whole(
    colours.toBuffer({ resolveWithObject: true }),
    file,
  );
  return {
    width: info.width,
    height: info.height,
    data: is16BitGrey
      ? fromGrey16(data)
      : isCmyk
      ? fromCmyk(data)
      : new Uint8Array(data),
  };
}

/**
 * Writes pixels as a PNG image, without loss. Not in a browser.
 *
 * @param image The pixels.
 * @returns The image file's bytes.
 * @throws {Error} If the package sharp is not installed and cannot be fetched.
 */
export async function encodePng(
  { width, height, data }: RgbImage,
): Promise<Uint8Array> {
  const { default: sharp } = await loadSharp("an image", "encode");
  const raw = { width, height, channels: 3 } as const;
  return new Uint8Array(await sharp(data, { raw }).png().toBuffer());
}

async function loadSharp(
  label: string,
  action: "decode" | "encode",
): Promise<typeof import("sharp")> {
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ SHARP);
  } catch (cause) {
    throw new Error(
      `Cannot ${action} ${label} as the package sharp cannot be loaded: ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/**
 * The format of a file, by its first bytes. It keeps files from the other decoders
 * of libvips.
 */
function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith("\xff\xd8\xff")) return "JPEG";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "PNG";
  if (/^GIF8[79]a/.test(start)) return "GIF";
  if (/^RIFF[^]{4}WEBP/.test(start)) return "WebP";
}

/**
 * Clears the transparency of a GIF's first picture, so that its colours show, as
 * those of other files do when their alpha channel is dropped. libvips would show
 * black.
 */
function showTransparent(gif: Uint8Array): Uint8Array {
  const bytes = gif.slice();
  const colours = bytes[10] & 0x80 ? 2 << (bytes[10] & 7) : 0;
  let at = 13 + 3 * colours;
  while (bytes[at] === 0x21) { // extensions before the picture
    if (bytes[at + 1] === 0xf9) bytes[at + 3] &= 0xfe; // transparency flag
    at += 2;
    while (bytes[at] > 0) at += 1 + bytes[at];
    at++;
  }
  return bytes;
}

/** Pillow's conversion of 16-bit grey: clipped, not scaled. */
function fromGrey16(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rgb = new Uint8Array(bytes.length / 2 * 3);
  for (let pixel = 0; pixel * 2 < bytes.length; pixel++) {
    const grey = Math.min(view.getUint16(pixel * 2, true), 255);
    rgb.fill(grey, pixel * 3, pixel * 3 + 3);
  }
  return rgb;
}

/** Pillow's conversion of CMYK, without a colour profile. */
function fromCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(cmyk.length / 4 * 3);
  for (let pixel = 0; pixel * 4 < cmyk.length; pixel++) {
    const light = 255 - cmyk[pixel * 4 + 3];
    for (let c = 0; c < 3; c++) {
      const ink = Math.round(cmyk[pixel * 4 + c] * light / 255);
      rgb[pixel * 3 + c] = light - ink;
    }
  }
  return rgb;
}

/** The methods of a browser's OffscreenCanvas that are used. */
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

/** Whether this runs in a browser, which decodes images. */
export const inBrowser: boolean = OffscreenCanvas !== undefined &&
  // Only WebGPU can draw on Deno's canvas.
  !navigator.userAgent.startsWith("Deno");

/**
 * The pixels of an image file before it is turned upright, without its colour
 * profile. A canvas multiplies colours by their opacity, so transparent pixels
 * become black.
 *
 * @throws {DOMException} If the browser cannot decode it.
 */
async function decodeInBrowser(
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

// Image files to pixels, by the npm package sharp (libvips), or by the browser
// in a page.
import type { RgbImage } from "../core/images/image.ts";
import {
  type ImageFormat,
  readOrientation,
  turnUpright,
  withoutExif,
} from "./orientation.ts";

export type { RgbImage } from "../core/images/image.ts";

/**
 * The package's name where this runs. An import of a literal would make Deno
 * fetch 40 MB before the first line of any program runs, and would make bundlers
 * for pages take it in; so it is fetched when the first image is decoded. Only
 * Deno takes a version here, which is that of deno.json.
 */
const SHARP = "Deno" in globalThis ? "npm:sharp@0.35.5" : "sharp";

/** Larger images are refused, as Pillow refuses them: 0.5 GB of pixels. */
const MAX_PIXELS = 178_956_970;

/**
 * Decodes a JPEG, PNG, WebP or GIF image (the first picture of it) as Pillow's
 * `convert("RGB")` does, which models were trained on: grey becomes three equal
 * channels, an alpha channel is dropped, a colour profile is ignored, 16-bit
 * grey is cut off at 255, which makes nearly all of it white. A photograph is
 * turned upright first, as Hugging Face's `load_image` does, wherever the file
 * says how it lies.
 *
 * Two things are not as in Pillow. What the picture of a GIF leaves bare of its
 * screen is black. And a PNG's checksums are read as the PNG library does: where
 * that of a chunk that matters for the pixels is wrong the file is refused, and
 * any other chunk's is passed over. Pillow checks all chunks before the pixels
 * and none from there on, so that it shows pixels known to be damaged and refuses
 * those that are whole.
 *
 * In a browser, colours under transparency are lost as well, inks are converted
 * by their profile, and of 16-bit grey the upper bytes are kept.
 *
 * @param bytes The image file's bytes.
 * @param label What errors call the image, usually its path.
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

/** What is decoded. */
interface ImageFile {
  readonly bytes: Uint8Array;
  readonly format: ImageFormat;
  readonly label: string;
}

/** What a decoder makes of a file, or the error that says what is wrong with it. */
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

/** The pixels as they lie in the file. */
async function decodeBySharp(file: ImageFile): Promise<RgbImage> {
  const { bytes, format, label } = file;
  const { default: sharp } = await loadSharp(label, "decode");
  const input = sharp(format === "GIF" ? showTransparent(bytes) : bytes, {
    ignoreIcc: true,
    // As Pillow does, show a JPEG that is damaged but whole.
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
 * Writes pixels as a PNG image, which loses nothing. Not in a browser.
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

/** By its first bytes; no other decoder of libvips is let near a file. */
function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith("\xff\xd8\xff")) return "JPEG";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "PNG";
  if (/^GIF8[79]a/.test(start)) return "GIF";
  if (/^RIFF[^]{4}WEBP/.test(start)) return "WebP";
}

/**
 * A GIF whose first picture has its colours where it is transparent, as other
 * files have theirs when their alpha channel is dropped; libvips has black.
 */
function showTransparent(gif: Uint8Array): Uint8Array {
  const bytes = gif.slice();
  const colours = bytes[10] & 0x80 ? 2 << (bytes[10] & 7) : 0;
  let at = 13 + 3 * colours;
  while (bytes[at] === 0x21) { // extensions before the picture
    if (bytes[at + 1] === 0xf9) bytes[at + 3] &= 0xfe; // how to draw it
    at += 2;
    while (bytes[at] > 0) at += 1 + bytes[at];
    at++;
  }
  return bytes;
}

/** Pillow's conversion of 16-bit grey, which it does not scale. */
function fromGrey16(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rgb = new Uint8Array(bytes.length / 2 * 3);
  for (let pixel = 0; pixel * 2 < bytes.length; pixel++) {
    const grey = Math.min(view.getUint16(pixel * 2, true), 255);
    rgb.fill(grey, pixel * 3, pixel * 3 + 3);
  }
  return rgb;
}

/** Pillow's conversion, which knows nothing of inks. */
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

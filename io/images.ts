// Image files to pixels, by the npm package sharp (libvips), or by the browser
// in a page.
import type { Sharp } from "sharp";
import type { RgbImage } from "../core/image.ts";
import { decodeInBrowser, inBrowser } from "./browser_images.ts";

export type { RgbImage } from "../core/image.ts";

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
 * channels, an alpha channel is dropped, a colour profile is ignored. A
 * photograph is turned upright first, as Hugging Face's `load_image` does.
 *
 * Two things are not as in Pillow. Of 16-bit grey the upper bytes are kept, as of
 * other 16-bit images, where Pillow makes nearly all of it white; and what the
 * picture of a GIF leaves bare of its screen is black. In a browser, colours
 * under transparency are lost as well, inks are converted by their profile, and a
 * photograph that only XMP data say the orientation of stays as it lies.
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
          : `its first bytes are ${bytes.subarray(0, 12).toHex()}`
      }`,
    );
  }
  const whole = <T>(result: Promise<T>): Promise<T> =>
    result.catch((cause) => {
      throw new SyntaxError(
        `Cannot decode ${label} as its ${format} data is cut short or broken: current length is ${bytes.length} bytes`,
        { cause },
      );
    });
  if (inBrowser) return await whole(decodeInBrowser(bytes));
  const { default: sharp } = await loadSharp(label);
  const input = sharp(format === "GIF" ? showTransparent(bytes) : bytes, {
    autoOrient: true,
    ignoreIcc: true,
    // As Pillow does, show a JPEG that is damaged but whole.
    failOn: "error",
    limitInputPixels: false,
  });
  const { width, height, space, orientation, xmpAsString } = await whole(
    input.metadata(),
  );
  if (width * height > MAX_PIXELS) {
    throw new RangeError(
      `Cannot decode ${label} as it must have at most ${MAX_PIXELS} pixels: current size is ${width} x ${height}`,
    );
  }
  if (orientation === undefined) turnUpright(input, xmpAsString);
  const isCmyk = space === "cmyk";
  const colours = isCmyk
    ? input.pipelineColourspace("cmyk").toColourspace("cmyk")
    : input.removeAlpha().toColourspace("srgb");
  const { data, info } = await whole(
    colours.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true }),
  );
  return {
    width: info.width,
    height: info.height,
    data: isCmyk ? fromCmyk(data) : new Uint8Array(data),
  };
}

async function loadSharp(label: string): Promise<typeof import("sharp")> {
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ SHARP);
  } catch (cause) {
    throw new Error(
      `Cannot decode ${label} as the package sharp cannot be loaded: ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
}

/** Degrees to turn by, once mirrored, for each orientation of EXIF. */
const ANGLES = [0, 0, 0, 180, 0, 90, 90, 90, 270];

/**
 * Turns a picture of which only XMP data say how it lies: Pillow looks there
 * where EXIF says nothing, and sharp does not.
 */
function turnUpright(picture: Sharp, xmp: string = ""): void {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(xmp);
  const orientation = Number(found?.[1] ?? 1);
  // In whatever order these are asked for, sharp mirrors first.
  picture.rotate(ANGLES[orientation] ?? 0);
  picture.flop([2, 7].includes(orientation));
  picture.flip([4, 5].includes(orientation));
}

/** By its first bytes; no other decoder of libvips is let near a file. */
function formatOf(bytes: Uint8Array): string | undefined {
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

// Image files to pixels, by the npm package sharp (libvips). It is loaded when
// the first image is decoded, so that nobody else needs its native library.
import type { RgbImage } from "../core/image.ts";

export type { RgbImage } from "../core/image.ts";

/**
 * Decodes a PNG, JPEG or WebP image as Pillow's `convert("RGB")` does, which
 * models were trained on: grey becomes three equal channels, an alpha channel is
 * dropped, a colour profile is ignored. A photograph is turned upright first, as
 * Hugging Face's `load_image` does.
 *
 * @param bytes The image file's bytes.
 * @param label What errors call the image, usually its path.
 * @returns The pixels.
 * @throws {SyntaxError} If the bytes are not a whole image.
 */
export async function decodeImage(
  bytes: Uint8Array,
  label: string,
): Promise<RgbImage> {
  const { default: sharp } = await import("sharp");
  try {
    const { data, info } = await sharp(bytes, {
      autoOrient: true,
      ignoreIcc: true,
    })
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return {
      width: info.width,
      height: info.height,
      data: new Uint8Array(data),
    };
  } catch (error) {
    throw new SyntaxError(
      `Cannot decode ${label} as it is not a whole image of a known format: ${
        (error as Error).message.replaceAll("\n", "; ")
      }`,
      { cause: error },
    );
  }
}

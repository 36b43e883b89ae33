import { assert, assertEquals, assertRejects } from "@std/assert";
import { decodeImage } from "../io/images.ts";

// Images written by Pillow 13.0.0. Pixels of the first four:
//   red, green, almost black / blue, white, black.
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGklEQVR4nAXBgQEAIAjAIMzH/XyBcOYtqvABMLEFgtHEBHYAAAAASUVORK5CYII=";
// Alpha 0, 128, 255 / 255, 1, 0.
const PNG_ALPHA =
  "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAYAAACddGYaAAAAG0lEQVR4nAXBgQEAIAjAIMzH/XyB4Ny8DVUNfGIuCAH51dIWAAAAAElFTkSuQmCC";
const PNG_PALETTE =
  "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACBAMAAABvWnspAAAAElBMVEX///8AgAABAgP/AAAAAP8AAABYW2tvAAAADklEQVR4nGM0fM/CLw8ABQYBVCLTKKsAAAAASUVORK5CYII=";
const WEBP_LOSSLESS =
  "UklGRkAAAABXRUJQVlA4TDMAAAAvAkAAAC9AIEBR/HbdDQFJIv3/nIK0DZg9/45H5z+gANuhzT4oZBsBTu0eoVO5iP7HOwAA";
const PNG_GREY =
  "iVBORw0KGgoAAAANSUhEUgAAAAMAAAABCAAAAAA+i0toAAAADElEQVR4nGNgSPkPAAHLAWRRDtICAAAAAElFTkSuQmCC";
// 16 × 8, left half green, right half (200, 30, 60), EXIF orientation 6: to be
// turned clockwise by a quarter.
const JPEG_TURNED =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAIABADAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD1iv8AK8/xTPz3r/Rg/wCvg//Z";

function decode(base64: string) {
  return decodeImage(Uint8Array.fromBase64(base64), "a.png");
}

// deno-fmt-ignore
const PIXELS = Uint8Array.of(
  255, 0, 0,  0, 128, 0,  1, 2, 3,
  0, 0, 255,  255, 255, 255,  0, 0, 0,
);

for (
  const [kind, image] of Object.entries({
    PNG,
    "PNG with alpha": PNG_ALPHA,
    "PNG with a palette": PNG_PALETTE,
    "lossless WebP": WEBP_LOSSLESS,
  })
) {
  Deno.test(`decodeImage() gives the exact pixels of a ${kind}`, async () => {
    assertEquals(await decode(image), { width: 3, height: 2, data: PIXELS });
  });
}

Deno.test("decodeImage() makes three channels of a grey image", async () => {
  assertEquals(
    (await decode(PNG_GREY)).data,
    Uint8Array.of(0, 0, 0, 100, 100, 100, 255, 255, 255),
  );
});

Deno.test("decodeImage() turns a photograph upright", async () => {
  const { width, height, data } = await decode(JPEG_TURNED);
  assertEquals([width, height], [8, 16]);
  // JPEG is lossy, and decoders round differently.
  const near = (at: number, want: number[]) =>
    assert(want.every((v, c) => Math.abs(data[at + c] - v) <= 3));
  near(0, [0, 255, 0]);
  near(data.length - 3, [200, 30, 60]);
});

Deno.test("decodeImage() names the file when it is no image or cut short", async () => {
  const png = Uint8Array.fromBase64(PNG);
  for (
    const bytes of [new Uint8Array(), Uint8Array.of(1, 2, 3), png.slice(0, 50)]
  ) {
    await assertRejects(
      () => decodeImage(bytes, "images/7.png"),
      SyntaxError,
      "Cannot decode images/7.png as it is not a whole image of a known format: ",
    );
  }
});

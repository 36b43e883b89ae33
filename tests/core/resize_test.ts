import { assertEquals, assertThrows } from "@std/assert";
import {
  type ResampleFilter,
  resizeImage,
  type ResizeOptions,
  type RgbImage,
} from "../../core/mod.ts";
import { drawImage, RESIZED, sumOf } from "../_images.ts";

/** One row of grey pixels. */
function greyRow(...bytes: number[]): RgbImage {
  return {
    width: bytes.length,
    height: 1,
    data: Uint8Array.from(bytes.flatMap((byte) => [byte, byte, byte])),
  };
}

function redOf({ data }: RgbImage): number[] {
  return [...data].filter((_, i) => i % 3 === 0);
}

for (const { from, to: [width, height], filter, sha256 } of RESIZED) {
  Deno.test(`resizeImage() equals Pillow's bytes from ${from} to ${width},${height} (${filter})`, async () => {
    const image = drawImage(from[0], from[1]);
    const options = { width, height, filter: filter as ResampleFilter };
    const { data } = resizeImage(image, options);
    assertEquals(data.length, width * height * 3);
    assertEquals(await sumOf(data), sha256);
  });
}

Deno.test("resizeImage() weights pixels by a triangle when bilinear, worked by hand", () => {
  // Twice as wide: centres at -1/4, 1/4, 3/4, 5/4 of the way from 0 to 100.
  const wide = resizeImage(greyRow(0, 100), {
    width: 4,
    height: 1,
    filter: "bilinear",
  });
  assertEquals(redOf(wide), [0, 25, 75, 100]);
  // Half as wide: the triangle is four pixels wide, and cut off at the edge its
  // weights are 3/7, 3/7, 1/7.
  const narrow = resizeImage(greyRow(70, 7, 0, 0), {
    width: 2,
    height: 1,
    filter: "bilinear",
  });
  assertEquals(redOf(narrow), [33, 1]);
});

Deno.test("resizeImage() overshoots at an edge when bicubic, and stays a byte", () => {
  const wide = resizeImage(greyRow(0, 0, 0, 200, 200, 200), {
    width: 12,
    height: 1,
  });
  const red = redOf(wide);
  assertEquals(red[4], 0);
  assertEquals(Math.max(...red) > 200, true);
});

Deno.test("resizeImage() leaves pixels as they are when the size stays", () => {
  const image = drawImage(31, 17);
  assertEquals(resizeImage(image, { width: 31, height: 17 }), image);
});

Deno.test("resizeImage() gives for a region what a crop of all would be", () => {
  for (
    const [image, size] of [
      [drawImage(40, 30), { width: 23, height: 41 }],
      [drawImage(12, 90), { width: 30, height: 20 }], // down first
    ] as const
  ) {
    const region = { left: 5, top: 7, width: 11, height: 9 };
    const all = resizeImage(image, size);
    const rows = Array.from({ length: 9 }, (_, y) => {
      const start = ((7 + y) * size.width + 5) * 3;
      return [...all.data.subarray(start, start + 11 * 3)];
    });
    const part = resizeImage(image, { ...size, region });
    assertEquals(part, {
      width: 11,
      height: 9,
      data: Uint8Array.from(rows.flat()),
    });
  }
});

Deno.test("resizeImage() refuses sizes and regions that are none", () => {
  const image = drawImage(4, 3);
  const all = { left: 0, top: 0, width: 8, height: 6 };
  const wrong: [options: ResizeOptions, current: string][] = [
    [{ width: 0, height: 6 }, "0 x 6 at (0, 0) of 0 x 6"],
    [{ width: 8, height: 2.5 }, "8 x 2.5 at (0, 0) of 8 x 2.5"],
    [{ width: NaN, height: 6 }, "NaN x 6 at (0, 0) of NaN x 6"],
    [
      { width: 8, height: 6, region: { ...all, left: 1 } },
      "8 x 6 at (1, 0) of 8 x 6",
    ],
    [
      { width: 8, height: 6, region: { ...all, top: -1 } },
      "8 x 6 at (0, -1) of 8 x 6",
    ],
  ];
  for (const [options, current] of wrong) {
    const error = assertThrows(() => resizeImage(image, options), RangeError);
    assertEquals(
      error.message,
      `Cannot resize an image as the result must be whole pixels inside the new size: current result is ${current}`,
    );
  }
  assertThrows(
    () => resizeImage({ ...image, width: 5 }, all),
    RangeError,
    "Cannot use an image as it must hold 45 bytes: current length is 36",
  );
});

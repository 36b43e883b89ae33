// deno-lint-ignore-file camelcase -- Hugging Face's names

import { assertEquals, assertThrows } from "@std/assert";
import {
  extractPatches,
  type Normalization,
  parseNormalization,
  type RgbImage,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import { range } from "../_reference.ts";

/** Leaves bytes as they are. */
const BYTES: Normalization = {
  scale: 1,
  mean: [0, 0, 0],
  deviation: [1, 1, 1],
};

/** Red counts the pixels, green is 100 more, blue 200 − red. */
function countingImage(size: number): RgbImage {
  const data = range(size * size).flatMap((i) => [i, 100 + i, 200 - i]);
  return { width: size, height: size, data: Uint8Array.from(data) };
}

Deno.test("extractPatches() cuts patches row by row, channel first, worked by hand", () => {
  //  0  1 |  2  3
  //  4  5 |  6  7
  // ------+------
  //  8  9 | 10 11
  // 12 13 | 14 15
  const patch = (red: number[]) => [
    ...red,
    ...red.map((r) => 100 + r),
    ...red.map((r) => 200 - r),
  ];
  assertEquals([...extractPatches([countingImage(4)], 4, 2, BYTES)], [
    ...patch([0, 1, 4, 5]),
    ...patch([2, 3, 6, 7]),
    ...patch([8, 9, 12, 13]),
    ...patch([10, 11, 14, 15]),
  ]);
});

Deno.test("extractPatches() leaves out the rest at the right and bottom", () => {
  // Rows of 5: the last column and the last row are in no patch.
  const patches = extractPatches([countingImage(5)], 5, 2, BYTES);
  assertEquals(patches.length, 4 * 3 * 4);
  const red = range(4).flatMap((patch) => [
    ...patches.subarray(patch * 12, patch * 12 + 4),
  ]);
  assertEquals(red, [
    ...[0, 1, 5, 6],
    ...[2, 3, 7, 8],
    ...[10, 11, 15, 16],
    ...[12, 13, 17, 18],
  ]);
});

Deno.test("extractPatches() puts images one after another", () => {
  const first = countingImage(4);
  const second = { ...first, data: first.data.map((byte) => 255 - byte) };
  const both = extractPatches([first, second], 4, 2, BYTES);
  assertEquals(both.subarray(0, 48), extractPatches([first], 4, 2, BYTES));
  assertEquals(both.subarray(48), extractPatches([second], 4, 2, BYTES));
  assertEquals(extractPatches([], 4, 2, BYTES).length, 0);
});

Deno.test("extractPatches() normalises every channel by its own mean and deviation", () => {
  const image = { width: 1, height: 1, data: Uint8Array.of(255, 0, 51) };
  const patches = extractPatches([image], 1, 1, {
    scale: 1 / 255,
    mean: [0.5, 0.25, 0.1],
    deviation: [0.5, 0.25, 0.2],
  });
  assertClose(patches, [1, -1, 0.5], { relative: 2 ** -24 });
});

Deno.test("extractPatches() refuses an image of another size", () => {
  const image = countingImage(4);
  const wrong: [image: RgbImage, message: string][] = [
    [
      { ...image, width: 5 },
      "Cannot use an image as its size must be 4 x 4 pixels: current size is 5 x 4",
    ],
    [
      { ...image, height: 3 },
      "Cannot use an image as its size must be 4 x 4 pixels: current size is 4 x 3",
    ],
    [
      { ...image, data: new Uint8Array(64) },
      "Cannot use an image as it must hold 48 bytes: current length is 64",
    ],
  ];
  for (const [bad, message] of wrong) {
    const error = assertThrows(
      () => extractPatches([image, bad], 4, 2, BYTES),
      RangeError,
    );
    assertEquals(error.message, message);
  }
});

Deno.test("parseNormalization() has the defaults of CLIPImageProcessor", () => {
  assertEquals(parseNormalization({}), {
    scale: 1 / 255,
    mean: [0.48145466, 0.4578275, 0.40821073],
    deviation: [0.26862954, 0.26130258, 0.27577711],
  });
});

Deno.test("parseNormalization() reads every field", () => {
  const fields = {
    rescale_factor: 0.5,
    image_mean: [0, 0.1, 0.2],
    image_std: [1, 2, 3],
  };
  assertEquals(parseNormalization(fields), {
    scale: 0.5,
    mean: [0, 0.1, 0.2],
    deviation: [1, 2, 3],
  });
  assertEquals(
    parseNormalization({
      ...fields,
      do_rescale: false,
      do_normalize: false,
    }),
    BYTES,
  );
});

Deno.test("parseNormalization() names file, field, requirement and value", () => {
  const cases: [json: unknown, message: string][] = [
    [{ image_mean: 0.5 }, "image_mean must be 3 numbers: current value is 0.5"],
    [
      { image_std: [1, 1] },
      "image_std must be 3 numbers: current value is [1,1]",
    ],
    [
      { image_std: [1, 0, 1] },
      "image_std must not hold 0: current value is [1,0,1]",
    ],
    [
      { rescale_factor: 0 },
      "rescale_factor must be a positive number: current value is 0",
    ],
    [
      { do_rescale: "yes" },
      'do_rescale must be true or false: current value is "yes"',
    ],
    [
      { do_normalize: 1 },
      "do_normalize must be true or false: current value is 1",
    ],
  ];
  for (const [json, message] of cases) {
    const error = assertThrows(() => parseNormalization(json), RangeError);
    assertEquals(
      error.message,
      `Cannot read preprocessor_config.json as ${message}`,
    );
  }
  assertThrows(
    () => parseNormalization(null, "a/preprocessor_config.json"),
    TypeError,
    "Cannot read a/preprocessor_config.json as it must be a JSON object: current value is null",
  );
});

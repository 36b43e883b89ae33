// deno-lint-ignore-file camelcase -- Hugging Face's names

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  extractPatches,
  parseImageProcessor,
  parseInternVlProcessor,
  preprocessImage,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import { drawImage, imageOf, PROCESSED, sumOf } from "../_images.ts";

for (const { image, config, shape, sha256, at, values } of PROCESSED) {
  Deno.test(`preprocessImage() equals transformers for ${image}, ${JSON.stringify(config)}`, async () => {
    const processor = parseImageProcessor(config);
    const pictures = preprocessImage(imageOf(image), processor);
    const [count, , height, width] = shape;
    assertEquals(pictures.length, count);
    for (const [i, picture] of pictures.entries()) {
      assertEquals([picture.height, picture.width], [height, width]);
      assertEquals(await sumOf(picture.data), sha256[i], `picture ${i}`);
      const patch = extractPatches(
        [picture],
        width,
        width,
        processor.normalization,
      );
      // As 32-bit floats, written with seven digits.
      assertClose(at.map((j) => patch[j]), values[i], {
        relative: 1e-6,
        absolute: 1e-6,
      });
    }
  });
}

Deno.test("preprocessImage() enlarges only what it keeps of a thread of pixels", () => {
  // 336 x 13 million pixels, were all of it made.
  const picture = preprocessImage(
    drawImage(1, 40_000),
    parseImageProcessor({ size: 336, crop_size: 336 }),
  );
  assertEquals(picture.map(({ data }) => data.length), [336 * 336 * 3]);
});

Deno.test("parseImageProcessor() has the defaults of CLIPImageProcessor", () => {
  const { framing, filter } = parseImageProcessor({});
  assertEquals(framing, {
    kind: "crop",
    resize: { shortestEdge: 224 },
    crop: { width: 224, height: 224 },
  });
  assertEquals(filter, "bicubic");
});

Deno.test("parseImageProcessor() has the defaults of GotOcr2ImageProcessor", () => {
  const type = { image_processor_type: "GotOcr2ImageProcessor" };
  const tile = { width: 384, height: 384 };
  assertEquals(parseImageProcessor(type).framing, {
    kind: "crop",
    resize: tile,
    crop: null,
  });
  assertEquals(
    parseImageProcessor({ ...type, crop_to_patches: true }).framing,
    { kind: "tiles", tile, minTiles: 1, maxTiles: 12, thumbnail: true },
  );
});

Deno.test("parseImageProcessor() reads LLaVA's file in both spellings", () => {
  const llava = {
    image_processor_type: "CLIPImageProcessor",
    processor_class: "LlavaProcessor",
    do_center_crop: true,
    do_resize: true,
    resample: 3,
    size: { shortest_edge: 336 },
    crop_size: { height: 336, width: 336 },
  };
  const old = {
    feature_extractor_type: "CLIPFeatureExtractor",
    size: 336,
    crop_size: 336,
  };
  const { framing } = parseImageProcessor(llava);
  assertEquals(framing, {
    kind: "crop",
    resize: { shortestEdge: 336 },
    crop: { width: 336, height: 336 },
  });
  assertEquals(parseImageProcessor(old).framing, framing);
});

Deno.test("parseImageProcessor() leaves out the steps that are off", () => {
  const { framing } = parseImageProcessor({
    do_resize: false,
    do_center_crop: false,
  });
  assertEquals(framing, { kind: "crop", resize: null, crop: null });
});

Deno.test("parseImageProcessor() reads tiles when InternVL's processor asks for them", () => {
  const file = {
    image_processor_type: "GotOcr2ImageProcessorFast",
    crop_to_patches: false,
    size: { height: 448, width: 448 },
    max_patches: 6,
  };
  const tile = { width: 448, height: 448 };
  assertEquals(parseImageProcessor(file).framing, {
    kind: "crop",
    resize: tile,
    crop: null,
  });
  const internvl = { ...file, processor_class: "InternVLProcessor" };
  assertEquals(parseImageProcessor(internvl).framing, {
    kind: "tiles",
    tile,
    minTiles: 1,
    maxTiles: 6,
    thumbnail: true,
  });
});

Deno.test("parseImageProcessor() names file, field, requirement and value", () => {
  const cases: [json: unknown, message: string][] = [
    [
      { image_processor_type: "ViTImageProcessor" },
      'image_processor_type must be one of "CLIPFeatureExtractor", "CLIPImageProcessor", "CLIPImageProcessorFast", "GotOcr2ImageProcessor", "GotOcr2ImageProcessorFast": current value is "ViTImageProcessor"',
    ],
    [
      { resample: 1 },
      "resample must be 2 (bilinear) or 3 (bicubic): current value is 1",
    ],
    [
      { resample: "3" },
      'resample must be 2 (bilinear) or 3 (bicubic): current value is "3"',
    ],
    [{ size: 0 }, "size must be an integer in [1, 8192]: current value is 0"],
    [
      { size: { shortest_edge: 1e9 } },
      "size.shortest_edge must be an integer in [1, 8192]: current value is 1000000000",
    ],
    [
      { size: { shortest_edge: 9, longest_edge: 99 } },
      'size must not bound the longest edge, which CLIP models do not use: current value is {"shortest_edge":9,"longest_edge":99}',
    ],
    [
      { size: { width: 9 } },
      "size.height must be an integer in [1, 8192]: current value is missing",
    ],
    [
      { crop_size: 2.5 },
      "crop_size must be an integer in [1, 8192]: current value is 2.5",
    ],
    [
      { do_resize: 1 },
      "do_resize must be true or false: current value is 1",
    ],
    [
      {
        image_processor_type: "GotOcr2ImageProcessor",
        crop_to_patches: true,
        min_patches: 5,
        max_patches: 4,
      },
      "max_patches must be an integer in [5, 1024]: current value is 4",
    ],
  ];
  for (const [json, message] of cases) {
    const error = assertThrows(() => parseImageProcessor(json), RangeError);
    assertEquals(
      error.message,
      `Cannot read preprocessor_config.json as ${message}`,
    );
  }
  const text = assertThrows(
    () => parseImageProcessor({ size: "336" }, "a/preprocessor_config.json"),
    TypeError,
  );
  assertEquals(
    text.message,
    'Cannot read a/preprocessor_config.json as size must be a JSON object: current value is "336"',
  );
});

Deno.test("parseInternVlProcessor() reads InternVL2's config.json", () => {
  const config = {
    dynamic_image_size: true,
    force_image_size: 448,
    max_dynamic_patch: 12,
    min_dynamic_patch: 1,
    use_thumbnail: true,
    vision_config: { image_size: 448 },
  };
  assertEquals(parseInternVlProcessor(config), {
    framing: {
      kind: "tiles",
      tile: { width: 448, height: 448 },
      minTiles: 1,
      maxTiles: 12,
      thumbnail: true,
    },
    filter: "bicubic",
    normalization: {
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      deviation: [0.229, 0.224, 0.225],
    },
  });
});

Deno.test("parseInternVlProcessor() has the defaults of InternVLChatConfig", () => {
  assertEquals(parseInternVlProcessor({ dynamic_image_size: true }).framing, {
    kind: "tiles",
    tile: { width: 224, height: 224 },
    minTiles: 1,
    maxTiles: 6,
    thumbnail: false,
  });
});

Deno.test("parseInternVlProcessor() makes one picture of the tower's size when nothing else is said", () => {
  const { framing } = parseInternVlProcessor({
    force_image_size: null,
    vision_config: { image_size: 28 },
  });
  const resize = { width: 28, height: 28 };
  assertEquals(framing, { kind: "crop", resize, crop: null });
});

Deno.test("the same picture comes of InternVL's two layouts", () => {
  const original = parseInternVlProcessor({
    dynamic_image_size: true,
    force_image_size: 28,
    max_dynamic_patch: 12,
    use_thumbnail: true,
  });
  const native = parseImageProcessor({
    image_processor_type: "GotOcr2ImageProcessor",
    crop_to_patches: true,
    size: 28,
    image_mean: [0.485, 0.456, 0.406],
    image_std: [0.229, 0.224, 0.225],
  });
  assertEquals(native, original);
  assert(preprocessImage(drawImage(90, 40), native).length > 1);
});

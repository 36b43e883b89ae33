/**
 * From a picture of any size to pictures of the model's size, for
 * `extractPatches`, by the model's `preprocessor_config.json`.
 *
 * This module is browser compatible.
 */

import { type CenterCrop, cropCenter } from "./crop.ts";
import { Fields } from "../checkpoints/fields.ts";
import {
  type Normalization,
  parseNormalization,
  type RgbImage,
} from "./image.ts";
import type { ResampleFilter, Size } from "./resize.ts";
import { tileImage, type Tiling } from "./tiles.ts";

/** How a picture is prepared for the model. */
export interface ImageProcessor {
  /** How it is brought to the model's size. */
  readonly framing: Framing;
  /** The resampling filter. */
  readonly filter: ResampleFilter;
  /** How `extractPatches` normalises pixels. */
  readonly normalization: Normalization;
}

/** One picture of the model's size from the middle, or several tiles. */
export type Framing =
  | { readonly kind: "crop" } & CenterCrop
  | { readonly kind: "tiles" } & Tiling;

/** A file with a larger number is wrong. */
const MAX_SIDE = 8192;
const MAX_TILES = 1024;

const IMAGENET_MEAN = [0.485, 0.456, 0.406];
const IMAGENET_DEVIATION = [0.229, 0.224, 0.225];

/**
 * Reads a `preprocessor_config.json` of transformers' CLIPImageProcessor
 * (LLaVA-1.5) or GotOcr2ImageProcessor (InternVL in transformers' layout), with
 * their defaults, sizes spelt as a number or as an object. `do_convert_rgb` is
 * not read, as an {@linkcode RgbImage} has been converted.
 *
 * @param json its parsed content
 * @param label its name in error messages
 * @throws {TypeError} or {RangeError} naming the field that is wrong
 */
export function parseImageProcessor(
  json: unknown,
  label: string = "preprocessor_config.json",
): ImageProcessor {
  const fields = new Fields(json, label);
  const old = fields.get("image_processor_type") === undefined;
  const parseFraming = fields.oneOf(
    old ? "feature_extractor_type" : "image_processor_type",
    FRAMINGS,
    "CLIPImageProcessor",
  );
  return {
    framing: parseFraming(fields),
    filter: parseFilter(fields),
    normalization: parseNormalization(json, label),
  };
}

/**
 * How each type of processor prepares pictures. "Fast" types, which resample with
 * torchvision, are treated as their namesakes, which resample as the original
 * models do.
 */
const FRAMINGS: Readonly<Record<string, (fields: Fields) => Framing>> = {
  CLIPFeatureExtractor: parseClip,
  CLIPImageProcessor: parseClip,
  CLIPImageProcessorFast: parseClip,
  GotOcr2ImageProcessor: parseGotOcr2,
  GotOcr2ImageProcessorFast: parseGotOcr2,
};

function parseClip(fields: Fields): Framing {
  return {
    kind: "crop",
    resize: fields.boolean("do_resize", true) ? parseClipSize(fields) : null,
    crop: fields.boolean("do_center_crop", true)
      ? parseSize(fields, "crop_size", 224)
      : null,
  };
}

/** A number is the length of the shorter side. */
function parseClipSize(fields: Fields): Size | { shortestEdge: number } {
  const size = fields.get("size") ?? 224;
  if (typeof size === "number") {
    return { shortestEdge: fields.integer("size", 224, 1, MAX_SIDE) };
  }
  const sides = fields.record("size");
  if (sides.get("shortest_edge") === undefined) {
    return parseSize(fields, "size", 224);
  }
  if (sides.get("longest_edge") !== undefined) {
    throw fields.error(
      "size",
      "must not bound the longest edge, which CLIP models do not use",
      size,
    );
  }
  return {
    shortestEdge: sides.integer("shortest_edge", undefined, 1, MAX_SIDE),
  };
}

function parseGotOcr2(fields: Fields): Framing {
  const size = parseSize(fields, "size", 384);
  // transformers' InternVLProcessor asks for tiles, whatever the file says.
  const tiles = fields.get("processor_class") === "InternVLProcessor" ||
    fields.boolean("crop_to_patches", false);
  if (!tiles) {
    const resize = fields.boolean("do_resize", true) ? size : null;
    return { kind: "crop", resize, crop: null };
  }
  const minTiles = fields.integer("min_patches", 1, 1, MAX_TILES);
  const maxTiles = fields.integer("max_patches", 12, minTiles, MAX_TILES);
  return { kind: "tiles", tile: size, minTiles, maxTiles, thumbnail: true };
}

/**
 * Reads how the original InternVL code prepares pictures. It is in the model's
 * `config.json`: the `preprocessor_config.json` beside it, CLIP's, says nothing
 * of tiles. Bicubic resampling and ImageNet's normalisation are fixed there.
 *
 * @param json parsed content of `config.json`
 * @param label its name in error messages
 * @throws {TypeError} or {RangeError} naming the field that is wrong
 */
export function parseInternVlProcessor(
  json: unknown,
  label: string = "config.json",
): ImageProcessor {
  const fields = new Fields(json, label);
  const side = fields.integer(
    "force_image_size",
    fields.record("vision_config").integer("image_size", 224, 1, MAX_SIDE),
    1,
    MAX_SIDE,
  );
  const tile = { width: side, height: side };
  const minTiles = fields.integer("min_dynamic_patch", 1, 1, MAX_TILES);
  const maxTiles = fields.integer("max_dynamic_patch", 6, minTiles, MAX_TILES);
  const thumbnail = fields.boolean("use_thumbnail", false);
  return {
    framing: fields.boolean("dynamic_image_size", false)
      ? { kind: "tiles", tile, minTiles, maxTiles, thumbnail }
      : { kind: "crop", resize: tile, crop: null },
    filter: "bicubic",
    normalization: {
      scale: 1 / 255,
      mean: IMAGENET_MEAN,
      deviation: IMAGENET_DEVIATION,
    },
  };
}

/** A number is the side of a square. */
function parseSize(fields: Fields, field: string, fallback: number): Size {
  const value = fields.get(field) ?? fallback;
  if (typeof value === "number") {
    const side = fields.integer(field, fallback, 1, MAX_SIDE);
    return { width: side, height: side };
  }
  const sides = fields.record(field);
  const side = (name: string) => sides.integer(name, undefined, 1, MAX_SIDE);
  return { width: side("width"), height: side("height") };
}

function parseFilter(fields: Fields): ResampleFilter {
  // The values of Pillow's `Image.Resampling`.
  const value = fields.get("resample") ?? 3;
  if (value === 2) return "bilinear";
  if (value === 3) return "bicubic";
  throw fields.error("resample", "must be 2 (bilinear) or 3 (bicubic)", value);
}

/**
 * Converts a picture to the model's input: one picture, or its tiles row by row
 * and then the thumbnail.
 *
 * @returns bytes, not normalised yet
 * @throws {RangeError} the image's bytes do not match its size
 */
export function preprocessImage(
  image: RgbImage,
  { framing, filter }: ImageProcessor,
): RgbImage[] {
  switch (framing.kind) {
    case "crop":
      return [cropCenter(image, framing, filter)];
    case "tiles":
      return tileImage(image, framing, filter);
  }
}

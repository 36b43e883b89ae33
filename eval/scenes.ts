/**
 * The embedded task, part one: seeded 96×96 RGB scenes. Coloured shapes and
 * digits of free position on a cluttered, noisy background; what they show is
 * asked by `questions.ts`.
 *
 * Deterministic on every platform: integer random numbers, and only the
 * operations that IEEE 754 rounds exactly (+ − × ÷ √). No sine, no exponential.
 *
 * This module is browser compatible.
 */

import { createRandom, type Random } from "../core/random.ts";

/** Side of a scene in pixels. */
export const SCENE_SIZE = 96;

/** The eight colours, in the order of `SceneObject.color`. */
export const COLORS = [
  "red",
  "green",
  "blue",
  "yellow",
  "cyan",
  "purple",
  "orange",
  "white",
] as const;

/** The five shapes, in the order of `SceneObject.shape`. */
export const SHAPES = [
  "circle",
  "square",
  "triangle",
  "cross",
  "ring",
] as const;

/** The two sizes, in the order of `SceneObject.size`. */
export const SIZES = ["small", "large"] as const;

/** One thing in a scene: a shape, or a digit. */
export interface SceneObject {
  /** Index into `COLORS`. */
  readonly color: number;
  /** Index into `SHAPES`, or null for a digit. */
  readonly shape: number | null;
  /** Index into `SIZES`; digits come in one size only (0). */
  readonly size: number;
  /** 0 … 9, or null for a shape. */
  readonly digit: number | null;
  /** Centre, in pixels from the left edge. */
  readonly x: number;
  /** Centre, in pixels from the top edge. */
  readonly y: number;
}

/** An image and what it truly shows. */
export interface Scene {
  /** RGB bytes, shape [96, 96, 3], rows from the top. */
  readonly pixels: Uint8Array;
  /** Digits first, then shapes, in the order they were drawn. */
  readonly objects: readonly SceneObject[];
  /**
   * Index of the object that covers each pixel by more than half, or −1;
   * shape [96, 96]. Only training uses it (per-patch labels).
   */
  readonly owner: Int8Array;
}

const RGB = [
  [215, 40, 40],
  [40, 165, 60],
  [50, 80, 225],
  [230, 215, 50],
  [60, 205, 215],
  [165, 60, 190],
  [240, 140, 40],
  [238, 238, 238],
];

/** 5×7 glyphs of 0 … 9, one string of bits per row. */
const GLYPHS = [
  "01110 10001 10011 10101 11001 10001 01110",
  "00100 01100 00100 00100 00100 00100 01110",
  "01110 10001 00001 00110 01000 10000 11111",
  "11111 00010 00100 00010 00001 10001 01110",
  "00010 00110 01010 10010 11111 00010 00010",
  "11111 10000 11110 00001 00001 10001 01110",
  "00110 01000 10000 11110 10001 10001 01110",
  "11111 00001 00010 00100 01000 01000 01000",
  "01110 10001 10001 01110 10001 10001 01110",
  "01110 10001 10001 01111 00001 00010 01100",
].map((rows) => rows.split(" "));

/**
 * Draws one scene: 2 … maxShapes shapes and one or two digits.
 *
 * @param random the scene's own random stream
 * @param maxShapes at most so many shapes (7 in the task; training begins with 3)
 */
export function drawScene(random: Random, maxShapes: number = 7): Scene {
  // Crowded draws may leave no room for two shapes; such a scene is drawn anew.
  while (true) {
    const objects: SceneObject[] = [];
    const image = drawBackground(random);
    const owner = new Int8Array(SCENE_SIZE * SCENE_SIZE).fill(-1);
    drawObjects(random, maxShapes, image, owner, objects);
    if (objects.filter((o) => o.shape !== null).length >= 2) {
      return { pixels: addNoise(random, image), objects, owner };
    }
  }
}

/** Scenes of different splits never share a random stream. */
const SPLITS = { train: 0, easy: 1, validation: 2, calibration: 3, heldout: 4 };

/** Which stream of scenes: training (two of them), validation, calibration or held-out. */
export type Split = keyof typeof SPLITS;

/**
 * The random stream of scene `index` of a split. Every scene has its own
 * stream, so any of them can be made without those before it.
 */
export function sceneRandom(split: Split, seed: number, index: number): Random {
  return createRandom(SPLITS[split], seed, index);
}

/** Low- and mid-frequency texture and grey lines; RGB in floats, [96, 96, 3]. */
function drawBackground(random: Random): Float64Array {
  const image = new Float64Array(SCENE_SIZE * SCENE_SIZE * 3);
  const brightness = random.between(45, 120);
  const coarse = grid(random, 6, random.between(6, 20));
  const fine = grid(random, 16, random.between(3, 11));
  for (let channel = 0; channel < 3; channel++) {
    const base = brightness + random.between(-18, 18);
    const tint = grid(random, 6, 10);
    for (let i = 0; i < tint.length; i++) tint[i] += coarse[i];
    addUpsampled(image, channel, tint, 6, base);
    addUpsampled(image, channel, fine, 16, 0);
  }
  for (let line = 2 + random.below(4); line > 0; line--) {
    drawLine(random, image);
  }
  return image;
}

/** An n × n grid of normal deviates. */
function grid(random: Random, n: number, deviation: number): Float64Array {
  return Float64Array.from(
    { length: n * n },
    () => random.normal() * deviation,
  );
}

/** Adds base + the n × n grid, stretched bilinearly over the image, to a channel. */
function addUpsampled(
  image: Float64Array,
  channel: number,
  values: Float64Array,
  n: number,
  base: number,
): void {
  const last = SCENE_SIZE - 1;
  for (let y = 0; y < SCENE_SIZE; y++) {
    const v = (y * (n - 1)) / last;
    const row = Math.min(Math.floor(v), n - 2);
    for (let x = 0; x < SCENE_SIZE; x++) {
      const u = (x * (n - 1)) / last;
      const column = Math.min(Math.floor(u), n - 2);
      const at = row * n + column;
      const fu = u - column;
      const top = values[at] * (1 - fu) + values[at + 1] * fu;
      const bottom = values[at + n] * (1 - fu) + values[at + n + 1] * fu;
      image[(y * SCENE_SIZE + x) * 3 + channel] += base +
        top * (1 - (v - row)) + bottom * (v - row);
    }
  }
}

/** One straight grey line of any direction, clipped to a box: clutter. */
function drawLine(random: Random, image: Float64Array): void {
  // A point in the upper half disc, normalised, is a direction without a sine.
  let dx = 0;
  let dy = 0;
  do {
    dx = random.between(-1, 1);
    dy = random.uniform();
  } while (dx * dx + dy * dy > 1 || dx * dx + dy * dy < 0.01);
  const norm = Math.sqrt(dx * dx + dy * dy);
  const offset = random.between(-40, 40);
  const reach = Math.floor(random.between(20, 40));
  const cx = 8 + random.below(80);
  const cy = 8 + random.below(80);
  const shade = random.between(-35, 35);
  for (
    let y = Math.max(0, cy - reach);
    y < Math.min(SCENE_SIZE, cy + reach);
    y++
  ) {
    for (
      let x = Math.max(0, cx - reach);
      x < Math.min(SCENE_SIZE, cx + reach);
      x++
    ) {
      const distance = ((x - 48) * dx + (y - 48) * dy) / norm - offset;
      if (Math.abs(distance) >= 0.9) continue;
      for (let c = 0; c < 3; c++) image[(y * SCENE_SIZE + x) * 3 + c] += shade;
    }
  }
}

/** Places and paints digits, then shapes; bounding boxes never overlap. */
function drawObjects(
  random: Random,
  maxShapes: number,
  image: Float64Array,
  owner: Int8Array,
  objects: SceneObject[],
): void {
  const shapes = 2 + random.below(maxShapes - 1);
  const digits = maxShapes < 4 || random.uniform() < 0.6 ? 1 : 2;
  // Few colours and kinds per scene make repeats, and so counts, common.
  const colors = random.permutation(8).slice(0, 2 + random.below(7));
  const kinds = random.permutation(5).slice(0, 2 + random.below(4));
  const digitColors = random.permutation(8);
  const boxes: { x: number; y: number; w: number; h: number }[] = [];

  for (let k = 0; k < digits + shapes; k++) {
    const isDigit = k < digits;
    const size = isDigit ? 0 : random.below(2);
    const radius = size === 0
      ? random.between(5.6, 6.8)
      : random.between(9.2, 10.8);
    const w = isDigit ? 6 : Math.ceil(radius) + 1;
    const h = isDigit ? 8 : w;
    const color = isDigit ? digitColors[k] : random.pick(colors);
    const digit = isDigit ? random.below(10) : null;
    const shape = isDigit ? null : random.pick(kinds);
    const place = findPlace(random, boxes, w, h);
    if (place === null) continue;
    boxes.push({ ...place, w, h });

    // Shapes sit between pixels; digits are aligned to them.
    const x = place.x + (isDigit ? 0 : random.between(-0.5, 0.5));
    const y = place.y + (isDigit ? 0 : random.between(-0.5, 0.5));
    const rgb = RGB[color].map((value) => value + random.between(-16, 16));
    const coverage = digit === null
      ? (px: number, py: number) =>
        shapeCoverage(shape!, radius, px - x, py - y)
      : (px: number, py: number) =>
        glyphCoverage(digit, px - place.x, py - place.y);
    paint(image, owner, objects.length, rgb, coverage, place, w, h);
    objects.push({ color, shape, size, digit, x, y });
  }
}

/** A free place for a box of half-width w and half-height h, or null after 60 tries. */
function findPlace(
  random: Random,
  boxes: readonly { x: number; y: number; w: number; h: number }[],
  w: number,
  h: number,
): { x: number; y: number } | null {
  for (let attempt = 0; attempt < 60; attempt++) {
    const x = w + random.below(SCENE_SIZE - 2 * w);
    const y = h + random.below(SCENE_SIZE - 2 * h);
    const free = boxes.every((box) =>
      Math.abs(x - box.x) >= w + box.w || Math.abs(y - box.y) >= h + box.h
    );
    if (free) return { x, y };
  }
  return null;
}

/** Blends a colour over the image where `coverage` is above zero. */
function paint(
  image: Float64Array,
  owner: Int8Array,
  index: number,
  rgb: readonly number[],
  coverage: (x: number, y: number) => number,
  place: { x: number; y: number },
  w: number,
  h: number,
): void {
  for (
    let y = Math.max(0, place.y - h);
    y < Math.min(SCENE_SIZE, place.y + h + 1);
    y++
  ) {
    for (
      let x = Math.max(0, place.x - w);
      x < Math.min(SCENE_SIZE, place.x + w + 1);
      x++
    ) {
      const alpha = coverage(x, y);
      if (alpha <= 0) continue;
      const at = y * SCENE_SIZE + x;
      if (alpha > 0.5) owner[at] = index;
      for (let c = 0; c < 3; c++) {
        image[at * 3 + c] += (rgb[c] - image[at * 3 + c]) * alpha;
      }
    }
  }
}

/** How much of the pixel at (x, y) from the centre a shape covers, 0 … 1. */
function shapeCoverage(shape: number, r: number, x: number, y: number): number {
  return Math.max(0, Math.min(1, 0.5 - signedDistance(SHAPES[shape], r, x, y)));
}

/** Distance to a shape's outline in pixels, negative inside. */
function signedDistance(
  shape: typeof SHAPES[number],
  r: number,
  x: number,
  y: number,
): number {
  const ax = Math.abs(x);
  const ay = Math.abs(y);
  switch (shape) {
    case "circle":
      return Math.sqrt(x * x + y * y) - r;
    case "square":
      return Math.max(ax, ay) - r * 0.88;
    case "triangle":
      return Math.max(y - r * 0.8, ax * 0.87 - y * 0.5 - r * 0.62);
    case "cross":
      return Math.min(
        Math.max(ax - r, ay - r * 0.34),
        Math.max(ay - r, ax - r * 0.34),
      );
    case "ring":
      return Math.abs(Math.sqrt(x * x + y * y) - r * 0.78) - r * 0.22;
  }
}

/** Glyphs are drawn at double size: 10 pixels wide, 14 high. */
function glyphCoverage(digit: number, x: number, y: number): number {
  const row = GLYPHS[digit][Math.floor((y + 7) / 2)];
  return row?.[Math.floor((x + 5) / 2)] === "1" ? 1 : 0;
}

/** Pixel noise of a scene-wide strength, then bytes. */
function addNoise(random: Random, image: Float64Array): Uint8Array {
  const deviation = random.between(4, 12);
  return Uint8Array.from(image, (value) => {
    const noisy = Math.floor(value + random.normal() * deviation);
    return Math.max(0, Math.min(255, noisy));
  });
}

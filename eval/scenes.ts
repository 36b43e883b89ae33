/**
 * The embedded task, part one: seeded 96×96 RGB scenes with coloured shapes and
 * digits at free positions on a cluttered, noisy background. `scene_questions.ts` asks
 * about them.
 *
 * Deterministic on every platform: integer random numbers, and only the
 * operations that IEEE 754 rounds exactly (+ − × ÷ √). No sine, no exponential.
 *
 * This module is browser compatible.
 */

import { createRandom, type Random } from "../core/random.ts";
import { glyphCoverage, shapeCoverage, SHAPES } from "./shapes.ts";

export { SHAPES };

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

/** An image and its true content. */
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

/**
 * Draws one scene: 2 … maxShapes shapes and one or two digits.
 *
 * @param random the scene's own random stream
 * @param maxShapes the most shapes (7 in the task; training begins with 3)
 */
export function drawScene(random: Random, maxShapes: number = 7): Scene {
  // A crowded scene may have no room for two shapes; then it is drawn again.
  while (true) {
    const image = drawBackground(random);
    const owner = new Int8Array(SCENE_SIZE * SCENE_SIZE).fill(-1);
    const objects = drawObjects(random, maxShapes, image, owner);
    if (objects.filter((o) => o.shape !== null).length >= 2) {
      return { pixels: addNoise(random, image), objects, owner };
    }
  }
}

/** Scenes of different splits never share a random stream. */
const SPLITS: Readonly<Record<Split, number>> = {
  train: 0,
  easy: 1,
  validation: 2,
  calibration: 3,
  heldout: 4,
};

/** The stream of scenes: training (two streams), validation, calibration, held-out. */
export type Split =
  | "train"
  | "easy"
  | "validation"
  | "calibration"
  | "heldout";

/**
 * The random stream of scene `index` of a split. Every scene has its own stream,
 * so it can be drawn without the scenes before it.
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
  // Every row of the grid stretched to the image's width, shape [n, 96].
  const stretched = new Float64Array(n * SCENE_SIZE);
  for (let x = 0; x < SCENE_SIZE; x++) {
    const [column, share] = gridPlace(x, n);
    for (let row = 0; row < n; row++) {
      const at = row * n + column;
      stretched[row * SCENE_SIZE + x] = values[at] * (1 - share) +
        values[at + 1] * share;
    }
  }
  for (let y = 0; y < SCENE_SIZE; y++) {
    const [row, share] = gridPlace(y, n);
    for (let x = 0; x < SCENE_SIZE; x++) {
      const top = stretched[row * SCENE_SIZE + x];
      const bottom = stretched[(row + 1) * SCENE_SIZE + x];
      image[(y * SCENE_SIZE + x) * 3 + channel] += base + top * (1 - share) +
        bottom * share;
    }
  }
}

/** The grid lines i and i + 1 (of n) around a pixel, and its fraction between them. */
function gridPlace(pixel: number, n: number): [i: number, share: number] {
  const place = (pixel * (n - 1)) / (SCENE_SIZE - 1);
  const i = Math.min(Math.floor(place), n - 2);
  return [i, place - i];
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
  const [left, right] = [cx - reach, cx + reach].map(clampToImage);
  const [top, bottom] = [cy - reach, cy + reach].map(clampToImage);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const distance = ((x - 48) * dx + (y - 48) * dy) / norm - offset;
      if (Math.abs(distance) >= 0.9) continue;
      for (let c = 0; c < 3; c++) image[(y * SCENE_SIZE + x) * 3 + c] += shade;
    }
  }
}

function clampToImage(edge: number): number {
  return Math.max(0, Math.min(SCENE_SIZE, edge));
}

/** A box of half-width w and half-height h around the pixel (x, y). */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** Places and paints digits, then shapes; boxes do not overlap. */
function drawObjects(
  random: Random,
  maxShapes: number,
  image: Float64Array,
  owner: Int8Array,
): SceneObject[] {
  const shapes = 2 + random.below(maxShapes - 1);
  const digits = maxShapes < 4 || random.uniform() < 0.6 ? 1 : 2;
  // Few colours and kinds per scene make repeats frequent, and so larger counts.
  const colors = random.permutation(8).slice(0, 2 + random.below(7));
  const kinds = random.permutation(5).slice(0, 2 + random.below(4));
  const digitColors = random.permutation(8);
  const objects: SceneObject[] = [];
  const boxes: Box[] = [];

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
    const box = findPlace(random, boxes, w, h);
    if (box === null) continue;
    boxes.push(box);

    // Shapes sit between pixels; digits are aligned to them.
    const x = box.x + (isDigit ? 0 : random.between(-0.5, 0.5));
    const y = box.y + (isDigit ? 0 : random.between(-0.5, 0.5));
    const rgb = RGB[color].map((value) => value + random.between(-16, 16));
    paint(
      image,
      owner,
      objects.length,
      rgb,
      box,
      (px, py) =>
        digit === null
          ? shapeCoverage(shape!, radius, px - x, py - y)
          : glyphCoverage(digit, px - x, py - y),
    );
    objects.push({ color, shape, size, digit, x, y });
  }
  return objects;
}

/** A free box of half-width w and half-height h, or null after 60 tries. */
function findPlace(
  random: Random,
  boxes: readonly Box[],
  w: number,
  h: number,
): Box | null {
  for (let attempt = 0; attempt < 60; attempt++) {
    const x = w + random.below(SCENE_SIZE - 2 * w);
    const y = h + random.below(SCENE_SIZE - 2 * h);
    const free = boxes.every((box) =>
      Math.abs(x - box.x) >= w + box.w || Math.abs(y - box.y) >= h + box.h
    );
    if (free) return { x, y, w, h };
  }
  return null;
}

/** Blends a colour over the box where `coverage` is above zero. */
function paint(
  image: Float64Array,
  owner: Int8Array,
  index: number,
  rgb: readonly number[],
  box: Box,
  coverage: (x: number, y: number) => number,
): void {
  for (let y = box.y - box.h; y <= box.y + box.h; y++) {
    for (let x = box.x - box.w; x <= box.x + box.w; x++) {
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

/** Adds noise, of one strength per scene, and rounds to bytes. */
function addNoise(random: Random, image: Float64Array): Uint8Array {
  const deviation = random.between(4, 12);
  const pixels = new Uint8ClampedArray(image.length);
  for (let i = 0; i < image.length; i++) {
    pixels[i] = Math.floor(image[i] + random.normal() * deviation);
  }
  return new Uint8Array(pixels.buffer);
}

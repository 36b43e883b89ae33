/**
 * The geometry of scenes: how much of a pixel a shape or a digit covers.
 * Coordinates are in pixels from the object's centre, y downwards.
 *
 * This module is browser compatible.
 */

/** The five shapes, in the order of `SceneObject.shape`. */
export const SHAPES = [
  "circle",
  "square",
  "triangle",
  "cross",
  "ring",
] as const;

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
 * How much of the pixel at (x, y) a shape covers, 0 … 1; the outline is one pixel
 * wide.
 *
 * @param shape index into `SHAPES`
 * @param r its radius: half the width of a circle
 */
export function shapeCoverage(
  shape: number,
  r: number,
  x: number,
  y: number,
): number {
  return Math.max(0, Math.min(1, 0.5 - signedDistance(SHAPES[shape], r, x, y)));
}

/** Distance to a shape's outline, negative inside. */
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

/**
 * Whether a digit covers the pixel at (x, y), 0 or 1. Glyphs are drawn at
 * double size: 10 pixels wide, 14 high.
 */
export function glyphCoverage(digit: number, x: number, y: number): number {
  const row = GLYPHS[digit][Math.floor((y + 7) / 2)];
  return row?.[Math.floor((x + 5) / 2)] === "1" ? 1 : 0;
}

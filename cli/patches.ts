/**
 * Draws the patches of an image that are kept, with one character cell for each
 * vision token. The functions turn numbers into text; nothing is printed here.
 */

import {
  chooseGrid,
  type Framing,
  type ModelConfig,
  type RgbImage,
  type TileGrid,
} from "../core/mod.ts";

/** An image, with the vision tokens that a layer keeps. */
export interface KeptPatches {
  /** The pictures that the model sees, as `imageTiles` returns them. */
  readonly tiles: readonly RgbImage[];
  /** The layout of the tiles. */
  readonly grid: TileGrid;
  /** The indices of the vision tokens that are kept, tile by tile. */
  readonly kept: readonly number[];
}

/** The limits of a drawing. */
export interface DrawingOptions {
  /** Whether the drawing may use ANSI escape codes of 24-bit colours. */
  readonly colors: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
}

/** The layout of a picture's tiles. */
export function gridOf(picture: RgbImage, framing: Framing): TileGrid {
  return framing.kind === "crop"
    ? { columns: 1, rows: 1 }
    : chooseGrid(picture, framing);
}

/**
 * Draws the tiles as they lie in the picture, with the thumbnail, if there is
 * one, below. A patch that is kept has its colour, or a "#" without colours.
 * The others are dots. If a row of tiles is too wide, each patch takes half the
 * width. If that is still too wide, the row is drawn in labelled parts.
 */
export function drawPatches(
  config: ModelConfig,
  { tiles, grid, kept }: KeptPatches,
  { colors, columns }: DrawingOptions,
): string {
  const { vision: { imageSize, patchSize }, projector, visionTokens } = config;
  const side = Math.floor(imageSize / patchSize) / projector.merge;
  // Some models keep the class token, which comes first and has no place in the
  // picture.
  const first = visionTokens - side * side;
  const stays = new Set(kept);
  const isWide = 2 * side * grid.columns <= columns;
  const beside = isWide
    ? grid.columns
    : Math.max(1, Math.min(grid.columns, Math.floor(columns / side)));
  const cell = (tile: number, x: number, y: number): string => {
    const token = tile * visionTokens + first + y * side + x;
    if (!stays.has(token)) {
      if (!colors) return isWide ? ". " : ".";
      return `\x1b[90m${isWide ? "··" : "·"}\x1b[0m`;
    }
    if (!colors) return isWide ? "# " : "#";
    const [r, g, b] = meanColor(tiles[tile], x, y, imageSize / side);
    return `\x1b[48;2;${r};${g};${b}m${isWide ? "  " : " "}\x1b[0m`;
  };
  const row = (tiles: readonly number[], y: number): string =>
    tiles.flatMap((tile) =>
      Array.from({ length: side }, (_, x) => cell(tile, x, y))
    ).join("").trimEnd();
  const block = (tiles: readonly number[]): string[] =>
    Array.from({ length: side }, (_, y) => row(tiles, y));

  const lines: string[] = [];
  for (let r = 0; r < grid.rows; r++) {
    const inRow = Array.from(
      { length: grid.columns },
      (_, c) => r * grid.columns + c,
    );
    for (let c = 0; c < grid.columns; c += beside) {
      const part = inRow.slice(c, c + beside);
      if (beside < grid.columns) {
        lines.push(`row ${r + 1}, from tile ${c + 1} of ${grid.columns}:`);
      }
      lines.push(...block(part));
    }
  }
  const thumbnail = grid.columns * grid.rows;
  if (tiles.length > thumbnail) lines.push("", ...block([thumbnail]));
  return lines.join("\n");
}

/** The mean colour of the (x, y)-th square of `size` pixels in an image. */
function meanColor(
  { width, data }: RgbImage,
  x: number,
  y: number,
  size: number,
): number[] {
  const sums = [0, 0, 0];
  let count = 0;
  for (
    let row = Math.floor(y * size);
    row < Math.floor((y + 1) * size);
    row++
  ) {
    for (
      let column = Math.floor(x * size);
      column < Math.floor((x + 1) * size);
      column++
    ) {
      const at = (row * width + column) * 3;
      for (let c = 0; c < 3; c++) sums[c] += data[at + c];
      count++;
    }
  }
  return sums.map((sum) => Math.round(sum / count));
}

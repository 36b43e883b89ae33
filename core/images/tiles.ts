/**
 * InternVL's dynamic tiling: a picture is cut into a grid of tiles of the model's
 * size, followed by a thumbnail.
 *
 * This module is browser compatible.
 */

import type { RgbImage } from "./image.ts";
import { type ResampleFilter, resizeImage, type Size } from "./resize.ts";

/** How a picture is cut into tiles. */
export interface Tiling {
  /** Size of each tile. */
  readonly tile: Size;
  /** Fewest tiles, without the thumbnail. */
  readonly minTiles: number;
  /** Most tiles, without the thumbnail. */
  readonly maxTiles: number;
  /** Whether a thumbnail follows if there are several tiles. */
  readonly thumbnail: boolean;
}

/** Tiles across and down. */
export interface TileGrid {
  /** Tiles across. */
  readonly columns: number;
  /** Tiles down. */
  readonly rows: number;
}

/**
 * The grid whose aspect ratio is nearest to the picture's
 * (`find_closest_aspect_ratio` of InternVL, `get_optimal_tiled_canvas` of
 * transformers). Grids are tried in order of tile count. Among equally near
 * grids the smallest wins, unless the picture has more than half of the pixels
 * of a larger one.
 *
 * Grids of equal tile count are tried from the narrowest, as in transformers.
 * InternVL's own order would differ only if `minTiles` is above 1: otherwise a
 * grid of fewer tiles lies between any two of them, and is nearer.
 */
export function chooseGrid(
  { width, height }: Size,
  { tile, minTiles, maxTiles }: Tiling,
): TileGrid {
  const ratio = width / height;
  let nearest: TileGrid = { columns: 1, rows: 1 };
  let leastDifference = Infinity;
  for (const grid of gridsOf(minTiles, maxTiles)) {
    const { columns, rows } = grid;
    const difference = Math.abs(ratio - columns / rows);
    const fills = width * height >
      0.5 * tile.height * tile.width * columns * rows;
    if (
      difference < leastDifference || (difference === leastDifference && fills)
    ) {
      leastDifference = difference;
      nearest = grid;
    }
  }
  return nearest;
}

/** All grids within the limits, by tile count, then from the narrowest. */
function gridsOf(minTiles: number, maxTiles: number): TileGrid[] {
  const grids: TileGrid[] = [];
  for (let tiles = minTiles; tiles <= maxTiles; tiles++) {
    for (let columns = 1; columns <= tiles; columns++) {
      if (tiles % columns === 0) grids.push({ columns, rows: tiles / columns });
    }
  }
  return grids;
}

/**
 * Cuts a picture into tiles, row by row, the thumbnail last
 * (`dynamic_preprocess` of InternVL, `crop_image_to_patches` of transformers'
 * GotOcr2ImageProcessor).
 */
export function tileImage(
  image: RgbImage,
  tiling: Tiling,
  filter: ResampleFilter,
): RgbImage[] {
  const { tile, thumbnail } = tiling;
  const { columns, rows } = chooseGrid(image, tiling);
  const canvas = {
    width: columns * tile.width,
    height: rows * tile.height,
    filter,
  };
  const tiles: RgbImage[] = [];
  for (let top = 0; top < canvas.height; top += tile.height) {
    for (let left = 0; left < canvas.width; left += tile.width) {
      const region = { ...tile, left, top };
      tiles.push(resizeImage(image, { ...canvas, region }));
    }
  }
  if (thumbnail && tiles.length > 1) {
    tiles.push(resizeImage(image, { ...tile, filter }));
  }
  return tiles;
}

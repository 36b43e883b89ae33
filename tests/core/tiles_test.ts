import { assertEquals } from "@std/assert";
import { chooseGrid, tileImage, type Tiling } from "../../core/mod.ts";
import { drawImage } from "../_images.ts";

/** InternVL2's. */
const INTERNVL: Tiling = {
  tile: { width: 448, height: 448 },
  minTiles: 1,
  maxTiles: 12,
  thumbnail: true,
};

function gridOf(width: number, height: number, tiling = INTERNVL): string {
  const { columns, rows } = chooseGrid({ width, height }, tiling);
  return `${columns}x${rows}`;
}

Deno.test("chooseGrid() takes the grid of the picture's shape", () => {
  assertEquals(gridOf(448, 448), "1x1");
  assertEquals(gridOf(1300, 100), "12x1");
  assertEquals(gridOf(100, 1300), "1x12");
  assertEquals(gridOf(300, 200), "3x2");
  // 1.72 is nearer to 5:3 than to 2:1, but only 12 tiles may be used.
  assertEquals(gridOf(172, 100), "3x2");
  assertEquals(gridOf(172, 100, { ...INTERNVL, maxTiles: 15 }), "5x3");
});

Deno.test("chooseGrid() takes more tiles of the same shape when the picture fills half of them", () => {
  // 2 x 2 tiles have 802,816 pixels, 3 x 3 1,806,336.
  assertEquals(gridOf(633, 633), "1x1");
  assertEquals(gridOf(634, 634), "2x2");
  assertEquals(gridOf(950, 950), "2x2");
  assertEquals(gridOf(951, 951), "3x3");
});

Deno.test("chooseGrid() obeys the least and the greatest number of tiles", () => {
  assertEquals(gridOf(100, 100, { ...INTERNVL, minTiles: 2 }), "2x2");
  assertEquals(gridOf(9000, 9000, { ...INTERNVL, maxTiles: 8 }), "2x2");
  assertEquals(gridOf(9000, 100, { ...INTERNVL, maxTiles: 1 }), "1x1");
});

Deno.test("tileImage() cuts row by row and puts the whole picture last", () => {
  const tiling = { ...INTERNVL, tile: { width: 4, height: 4 } };
  const image = drawImage(12, 8);
  const tiles = tileImage(image, tiling, "bicubic");
  assertEquals(tiles.length, 7);
  // As large as the grid, so that tiles are crops: the corners of the second
  // row's first and of the last tile.
  const pixel = (x: number, y: number) => (y * 12 + x) * 3;
  assertEquals(tiles[3].data[0], image.data[pixel(0, 4)]);
  assertEquals(tiles[5].data[45], image.data[pixel(11, 7)]);
  assertEquals(tileImage(drawImage(4, 4), tiling, "bicubic").length, 1);
  const alone = { ...tiling, thumbnail: false };
  assertEquals(tileImage(image, alone, "bicubic"), tiles.slice(0, 6));
});

// Kept patches, drawn.

import { assertEquals } from "@std/assert";
import { drawPatches, gridOf } from "../../cli/patches.ts";
import type { Framing, ModelConfig, RgbImage } from "../../core/mod.ts";

/** What drawing looks at: tiles of 4 pixels with a token for each 2 × 2. */
function configOf(visionTokens: number): ModelConfig {
  return {
    vision: { imageSize: 4, patchSize: 1 },
    projector: { merge: 2 },
    visionTokens,
  } as ModelConfig;
}

/** A tile whose four quarters have these levels of grey. */
function tile(...greys: readonly number[]): RgbImage {
  const pixels = Array.from({ length: 16 }, (_, i) => {
    const quarter = Math.floor(i / 8) * 2 + Math.floor(i % 4 / 2);
    return Array<number>(3).fill(greys[quarter]);
  });
  return { width: 4, height: 4, data: Uint8Array.from(pixels.flat()) };
}

const ONE = { columns: 1, rows: 1 };
const PLAIN = { colors: false, columns: 80 };

Deno.test("drawPatches() marks the patches that stay, row by row", () => {
  const kept = { tiles: [tile(0, 0, 0, 0)], grid: ONE, kept: [0, 3] };
  assertEquals(drawPatches(configOf(4), kept, PLAIN), "# .\n. #");
});

Deno.test("drawPatches() lays tiles as they lie in the picture, the thumbnail below", () => {
  const black = tile(0, 0, 0, 0);
  const drawn = drawPatches(configOf(4), {
    tiles: Array(5).fill(black),
    grid: { columns: 2, rows: 2 },
    kept: [0, 5, 10, 15, 16, 19],
  }, PLAIN);
  assertEquals(
    drawn,
    ["# . . #", ". . . .", ". . . .", "# . . #", "", "# .", ". #"].join("\n"),
  );
});

Deno.test("drawPatches() has no place for a class token", () => {
  const kept = { tiles: [tile(0, 0, 0, 0)], grid: ONE, kept: [0, 2] };
  assertEquals(drawPatches(configOf(5), kept, PLAIN), ". #\n. .");
});

Deno.test("drawPatches() gives patches their mean colour", () => {
  const image = tile(10, 20, 30, 40);
  image.data.set([14, 10, 10]); // one pixel of four
  const drawn = drawPatches(configOf(4), {
    tiles: [image],
    grid: ONE,
    kept: [0, 3],
  }, { ...PLAIN, colors: true });
  const dots = "\x1b[90m··\x1b[0m";
  assertEquals(
    drawn,
    `\x1b[48;2;11;10;10m  \x1b[0m${dots}\n${dots}\x1b[48;2;40;40;40m  \x1b[0m`,
  );
});

Deno.test("drawPatches() is no wider than the terminal", () => {
  const black = tile(0, 0, 0, 0);
  const kept = {
    tiles: Array(4).fill(black),
    grid: { columns: 3, rows: 1 },
    kept: [0, 5, 10, 12],
  };
  const draw = (columns: number, colors = false) =>
    drawPatches(configOf(4), kept, { colors, columns });
  assertEquals(draw(12), "# . . # . .\n. . . . # .\n\n# .\n. .");
  assertEquals(draw(11), "#..#..\n....#.\n\n#.\n..");
  assertEquals(draw(6), draw(11));
  const parts = [
    "row 1, from tile 1 of 3:",
    ...["#..#", "...."],
    "row 1, from tile 3 of 3:",
    ...["..", "#.", "", "#.", ".."],
  ];
  assertEquals(draw(5), parts.join("\n"));
  assertEquals(draw(4), draw(5));
  assertEquals(draw(1).split("\n").length, 3 * 3 + 3);
  // The same with colours, whose codes take no columns.
  const bare = draw(11, true).replaceAll("\x1b", "").replaceAll(
    /\[[\d;]*m/g,
    "",
  );
  assertEquals(bare, " ·· ··\n···· ·\n\n ·\n··");
});

Deno.test("gridOf() knows how a picture is cut", () => {
  const size = { width: 4, height: 4 };
  const wide = { width: 8, height: 4, data: new Uint8Array(96) };
  const crop: Framing = { kind: "crop", resize: size, crop: null };
  assertEquals(gridOf(wide, crop), ONE);
  const tiles: Framing = {
    kind: "tiles",
    tile: size,
    minTiles: 1,
    maxTiles: 4,
    thumbnail: true,
  };
  assertEquals(gridOf(wide, tiles), { columns: 2, rows: 1 });
});

// Tokens of patches and tiles on examples that fit in the head.

import { assertEquals, assertThrows } from "@std/assert";
import { embedImages, embedTiles, mergePatches } from "../../core/mod.ts";
import { loadFamilyFixture } from "../_families.ts";
import {
  contents,
  range,
  reference as backend,
  tensor,
} from "../_reference.ts";

Deno.test("mergePatches() puts squares of neighbours one after another, row by row", async () => {
  // Two samples of 4 × 4 patches, of one feature each.
  const x = tensor([2, 16, 1], range(32));
  const first = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];
  assertEquals(await contents(mergePatches(backend, x, 2)), {
    shape: [2, 4, 4],
    values: [...first, ...first.map((patch) => 16 + patch)],
  });
});

Deno.test("mergePatches() keeps the features of a patch together", async () => {
  const x = tensor([1, 9, 2], range(18));
  assertEquals(await contents(mergePatches(backend, x, 3)), {
    shape: [1, 1, 18],
    values: range(18),
  });
});

Deno.test("embedTiles() gives the tokens of an image's tiles one after another", async () => {
  const { model, tiles } = await loadFamilyFixture("internvl2_qwen2_a");
  const together = await contents(embedTiles(model, tiles));
  const each = tiles.map((tiles) => embedImages(model, tiles));
  assertEquals(together.shape, [2, 12, 16]);
  assertEquals(
    together.values,
    (await Promise.all(each.map(contents))).flatMap(({ values }) => values),
  );
});

Deno.test("embedTiles() refuses images of different numbers of tiles", async () => {
  const { model, tiles: [one, two] } = await loadFamilyFixture(
    "internvl2_qwen2_a",
  );
  assertThrows(
    () => embedTiles(model, [one, two.slice(1)]),
    TypeError,
    "Cannot batch images as all must have 3 tiles: current image has 2",
  );
});

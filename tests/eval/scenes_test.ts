// The embedded task: the images. The model in models/tiny was trained on these
// very pixels, so the generator may not drift, on any platform.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  COLORS,
  drawScene,
  type Scene,
  SCENE_SIZE,
  type SceneObject,
  sceneRandom,
  SHAPES,
  SIZES,
} from "../../eval/scenes.ts";
import { range } from "../_reference.ts";

/** The first scenes of a split. */
function drawScenes(count: number, split: "train" | "heldout"): Scene[] {
  return range(count).map((i) => drawScene(sceneRandom(split, 0, i)));
}

const SCENES = drawScenes(100, "train");

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

Deno.test("drawScene() gives the pixels that the model was trained on", async () => {
  const bytes = Uint8Array.from(SCENES.flatMap(({ pixels }) => [...pixels]));
  assertEquals(bytes.length, 100 * 96 * 96 * 3);
  assertEquals(
    await sha256(bytes),
    "0e7a4fa8ab3f3ffcecb8b0339d1e81c76d1fe1b6e75610d57c96eaa338119770",
  );
});

Deno.test("drawScene() of a scene does not depend on scenes before it", () => {
  assertEquals(drawScene(sceneRandom("train", 0, 57)), SCENES[57]);
});

Deno.test("sceneRandom() gives every split, seed and index its own stream", () => {
  const names = [
    "train",
    "easy",
    "validation",
    "calibration",
    "heldout",
  ] as const;
  const firstWords = names.flatMap((split) =>
    range(3).flatMap((seed) =>
      range(20).map((index) => sceneRandom(split, seed, index).word())
    )
  );
  assertEquals(new Set(firstWords).size, names.length * 3 * 20);
  const pixels = names.map((split) =>
    drawScene(sceneRandom(split, 0, 0)).pixels
  );
  for (const [i, one] of pixels.entries()) {
    for (const other of pixels.slice(0, i)) assertNotEquals(one, other);
  }
});

Deno.test("drawScene() draws 2 to 7 shapes and one or two digits of different colours", () => {
  const shapeCounts = new Set<number>();
  const digitCounts = new Set<number>();
  for (const { objects } of [...SCENES, ...drawScenes(100, "heldout")]) {
    const digits = objects.filter(({ digit }) => digit !== null);
    const shapes = objects.filter(({ shape }) => shape !== null);
    assertEquals(objects, [...digits, ...shapes]);
    assertEquals(
      new Set(digits.map(({ color }) => color)).size,
      digits.length,
    );
    shapeCounts.add(shapes.length);
    digitCounts.add(digits.length);
  }
  assertEquals([...shapeCounts].sort(), [2, 3, 4, 5, 6, 7]);
  assertEquals([...digitCounts].sort(), [1, 2]);
});

Deno.test("drawScene() draws at most as many shapes as it is told, and then one digit", () => {
  for (let i = 0; i < 50; i++) {
    const { objects } = drawScene(sceneRandom("easy", 0, i), 3);
    const shapes = objects.filter(({ shape }) => shape !== null);
    assert(shapes.length === 2 || shapes.length === 3);
    assertEquals(objects.length - shapes.length, 1);
  }
});

Deno.test("drawScene() uses every colour, shape, size and digit", () => {
  const objects = SCENES.flatMap((scene) => scene.objects);
  const valuesOf = (field: keyof SceneObject): unknown[] =>
    [...new Set(objects.map((object) => object[field]))]
      .filter((value) => value !== null).sort();
  assertEquals(valuesOf("color"), range(COLORS.length));
  assertEquals(valuesOf("shape"), range(SHAPES.length));
  assertEquals(valuesOf("size"), range(SIZES.length));
  assertEquals(valuesOf("digit"), range(10));
});

/** The pixels that an object owns. */
function ownedPixels({ owner }: Scene, index: number): number[] {
  return range(owner.length).filter((at) => owner[at] === index);
}

Deno.test("drawScene() keeps objects apart: their bounding boxes are disjoint", () => {
  for (const scene of SCENES) {
    const boxes = scene.objects.map((_, index) => {
      const pixels = ownedPixels(scene, index);
      const xs = pixels.map((at) => at % SCENE_SIZE);
      const ys = pixels.map((at) => Math.floor(at / SCENE_SIZE));
      return {
        left: Math.min(...xs),
        right: Math.max(...xs),
        top: Math.min(...ys),
        bottom: Math.max(...ys),
      };
    });
    boxes.forEach((a, i) => {
      const { x, y } = scene.objects[i];
      assert(a.left < x && x < a.right && a.top < y && y < a.bottom);
      for (const b of boxes.slice(0, i)) {
        assert(
          a.right < b.left || b.right < a.left || a.bottom < b.top ||
            b.bottom < a.top,
        );
      }
    });
  }
});

Deno.test("drawScene() makes every large shape larger than every small one of its kind", () => {
  const areas = SHAPES.map(() => SIZES.map((): number[] => []));
  for (const scene of SCENES) {
    scene.objects.forEach(({ shape, size }, index) => {
      if (shape === null) return;
      areas[shape][size].push(ownedPixels(scene, index).length);
    });
  }
  for (const [small, large] of areas) {
    assert(Math.max(...small) < Math.min(...large));
  }
});

Deno.test("drawScene() paints every object in its colour", () => {
  // Mean colour of an object's pixels: nearest to its own of these.
  const rgb: Record<typeof COLORS[number], number[]> = {
    red: [215, 40, 40],
    green: [40, 165, 60],
    blue: [50, 80, 225],
    yellow: [230, 215, 50],
    cyan: [60, 205, 215],
    purple: [165, 60, 190],
    orange: [240, 140, 40],
    white: [238, 238, 238],
  };
  for (const scene of SCENES) {
    scene.objects.forEach(({ color }, index) => {
      const pixels = ownedPixels(scene, index);
      const mean = [0, 1, 2].map((c) =>
        pixels.reduce((sum, at) => sum + scene.pixels[at * 3 + c], 0) /
        pixels.length
      );
      const distances = COLORS.map((name) =>
        Math.hypot(...rgb[name].map((value, c) => value - mean[c]))
      );
      assertEquals(distances.indexOf(Math.min(...distances)), color);
    });
  }
});

// What is a scene of the embedded task, and what is none.

import { assertEquals } from "@std/assert";
import sharp, { type Sharp } from "sharp";
import { looksLikeScene } from "../../cli/foreign_images.ts";
import type { RgbImage } from "../../core/mod.ts";
import { drawScene, SCENE_SIZE, sceneRandom } from "../../eval/mod.ts";
import { decodeImage, encodePng } from "../../io/mod.ts";
import { noise, seededRandom } from "../_random.ts";

/** A picture by its pixels. */
function picture(level: (x: number, y: number, c: number) => number): RgbImage {
  const data = Uint8Array.from(
    { length: SCENE_SIZE ** 2 * 3 },
    (_, i) =>
      level(
        Math.floor(i / 3) % SCENE_SIZE,
        Math.floor(i / 3 / SCENE_SIZE),
        i % 3,
      ),
  );
  return { width: SCENE_SIZE, height: SCENE_SIZE, data };
}

/** A scene of the held-out ones. */
function sceneOf(index: number): RgbImage {
  const { pixels } = drawScene(sceneRandom("heldout", 1, index));
  return { width: SCENE_SIZE, height: SCENE_SIZE, data: pixels };
}

Deno.test("looksLikeScene() knows scenes of every split", () => {
  for (const split of ["train", "easy", "calibration", "heldout"] as const) {
    for (let i = 0; i < 40; i++) {
      const { pixels } = drawScene(sceneRandom(split, 7, i));
      const scene = { width: SCENE_SIZE, height: SCENE_SIZE, data: pixels };
      assertEquals(looksLikeScene(scene), true, `${split} ${i}`);
    }
  }
});

Deno.test("looksLikeScene() knows a scene that was written as an image", async () => {
  const scene = sceneOf(0);
  const image = await decodeImage(await encodePng(scene), "scene.png");
  assertEquals(image, scene);
  assertEquals(looksLikeScene(image), true);
});

Deno.test("looksLikeScene() tells scenes from what others make of them", async () => {
  const made: [string, (scene: Sharp) => Sharp][] = [
    ["a photograph's compression", (s) => s.jpeg({ quality: 95 })],
    ["a weaker one", (s) => s.jpeg({ quality: 100 })],
    ["grey", (s) => s.grayscale()],
    ["blur", (s) => s.blur(0.8)],
    ["median", (s) => s.median(3)],
    ["a larger copy", (s) => s.resize(192, 192)],
    ["a cut", (s) => s.extract({ left: 0, top: 0, width: 95, height: 96 })],
    ["a smaller picture of a larger one", (s) => s.resize(48, 48)],
  ];
  for (let i = 0; i < 10; i++) {
    const { width, height, data } = sceneOf(i);
    for (const [name, make] of made) {
      const raw = sharp(data, { raw: { width, height, channels: 3 } });
      const encoded = make(raw);
      const bytes = name.includes("compression") || name === "a weaker one"
        ? await encoded.toBuffer()
        : await encoded.png().toBuffer();
      const image = await decodeImage(bytes, name);
      assertEquals(looksLikeScene(image), false, `${name}, ${i}`);
    }
  }
});

Deno.test("looksLikeScene() tells scenes from other pictures of their size", () => {
  const random = seededRandom(1);
  const grain = Array.from({ length: SCENE_SIZE ** 2 }, () => random() * 30);
  const pictures: [string, RgbImage][] = [
    ["black", picture(() => 0)],
    ["a ramp", picture((x, y) => x + y)],
    ["a chart", picture((x, y) => (x >> 4) + (y >> 4) & 1 ? 255 : 40)],
    ["loud noise", noise(3, SCENE_SIZE)],
    [
      "a camera's grain",
      picture((x, y, c) => 90 + 10 * c + x / 2 + grain[y * SCENE_SIZE + x]),
    ],
  ];
  for (const [name, image] of pictures) {
    assertEquals(looksLikeScene(image), false, name);
  }
});

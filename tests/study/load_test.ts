// The library's front door: a model that is loaded and asked.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createRandom, fromKeepCounts, fullSchedule } from "../../core/mod.ts";
import { drawScene, SCENE_SIZE, sceneRandom } from "../../eval/mod.ts";
import { type AnyImage, loadModel } from "../../study/mod.ts";

const SIZE = { width: SCENE_SIZE, height: SCENE_SIZE };
const { pixels } = drawScene(sceneRandom("heldout", 0, 3));
const SCENE = { ...SIZE, data: pixels };
const QUESTION = "how many red shapes ?";
const KEEP = fromKeepCounts([144, 144, 67, 48, 45, 22, 3, 3], 144);

const model = await loadModel(null, { device: "cpu" });

Deno.test("ask() answers under a schedule, and counts what it saves", async () => {
  const full = await model.ask(SCENE, QUESTION);
  const reduced = await model.ask(SCENE, QUESTION, { schedule: KEEP });
  assertEquals([full.text, reduced.text], ["one", "one"]);
  assertEquals(full.flops, full.fullFlops);
  assertEquals(full.cacheBytes, full.fullCacheBytes);
  assertEquals(reduced.fullFlops, full.flops);
  assertEquals(reduced.fullCacheBytes, full.cacheBytes);
  assert(reduced.flops < full.flops / 2);
  assert(reduced.cacheBytes < full.cacheBytes / 2);
});

Deno.test("ask() takes pixels with opacity, and a file's bytes", async () => {
  const rgba = new Uint8ClampedArray(4 * pixels.length / 3).fill(255);
  for (let p = 0; p < pixels.length / 3; p++) {
    rgba.set(pixels.subarray(3 * p, 3 * p + 3), 4 * p);
  }
  const { default: sharp } = await import("sharp");
  const png = new Uint8Array(
    await sharp(pixels, { raw: { ...SIZE, channels: 3 } }).png().toBuffer(),
  );
  const { text } = await model.ask(SCENE, QUESTION);
  const images: AnyImage[] = [{ ...SIZE, data: rgba }, png, new Blob([png])];
  for (const image of images) {
    assertEquals((await model.ask(image, QUESTION)).text, text);
  }
});

Deno.test("ask() refuses what is no image", async () => {
  await assertRejects(
    () => model.ask({ ...SIZE, data: new Uint8Array(5) }, QUESTION),
    RangeError,
    "Cannot use an image as 96 x 96 pixels must have 27648 or 36864 bytes: current number is 5",
  );
  await assertRejects(
    () => model.ask(new File(["no"], "cat.jpg"), QUESTION),
    SyntaxError,
    "Cannot decode cat.jpg",
  );
});

Deno.test("ask() refuses a schedule of another depth", async () => {
  const schedule = fullSchedule(7, 144);
  await assertRejects(
    () => model.ask(SCENE, QUESTION, { schedule }),
    RangeError,
  );
});

Deno.test("ask() samples, streams, and ends at the longest answer or a signal", async () => {
  const parts: string[] = [];
  const options = {
    temperature: 50,
    random: createRandom(1).uniform,
    maxTokens: 4,
    onText: (text: string) => parts.push(text),
  };
  const { text, tokens } = await model.ask(SCENE, QUESTION, options);
  assert(tokens <= 4);
  assertEquals(parts.join(""), text);
  const stop = new AbortController();
  await assertRejects(() =>
    model.ask(SCENE, QUESTION, {
      ...options,
      maxTokens: 1000,
      signal: stop.signal,
      onText: () => stop.abort(),
    }), DOMException);
});

Deno.test("converse() embeds an image once, and goes on from an answer", async () => {
  const talk = await model.converse(SCENE, { schedule: KEEP });
  assertEquals(talk.schedule.keep, KEEP.keep);
  const first = await talk.ask(QUESTION);
  const later = await talk.goOn("what color is the circle ?");
  assertEquals(first.text, (await model.ask(SCENE, QUESTION)).text);
  assert(later.tokens > 0 && later.fullFlops > first.fullFlops);
  talk[Symbol.dispose]();
});

Deno.test("loadModel() tells how much of the weights is there", async () => {
  const shares: number[] = [];
  await loadModel("models/tiny", {
    device: "cpu",
    onProgress: (share) => shares.push(share),
  });
  assert(shares.length > 10 && shares[0] > 0);
  assert(shares.every((share, i) => i === 0 || share >= shares[i - 1]));
  assertEquals(shares.at(-1), 1);
});

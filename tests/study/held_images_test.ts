import { assert, assertEquals, assertRejects } from "@std/assert";
import { holdImages } from "../../study/questions.ts";
import { noise } from "../_random.ts";

/** An image of so many tiles of 300 bytes. */
const tilesOf = (count: number) =>
  Array.from({ length: count }, (_, tile) => noise(tile, 10));

Deno.test("holdImages() keeps images as they are, in memory that workers share", async () => {
  const images = await holdImages({
    sources: [1, 3],
    load: (count) => Promise.resolve(tilesOf(count)),
    label: "q.jsonl",
    room: 1200,
  });
  assertEquals(images, [tilesOf(1), tilesOf(3)]);
  for (const { data } of images.flat()) {
    assert(data.buffer instanceof SharedArrayBuffer);
  }
});

Deno.test("holdImages() refuses images that will not fit, before it has read them all", async () => {
  for (
    const { room, read, message } of [
      // Of the first 32 images it knows what all will take.
      {
        room: 20_000,
        read: 32,
        message:
          "Cannot hold the 100 images of q.jsonl as they take about 30.0 kB: 20.0 kB are available; use fewer --calibration or --heldout questions",
      },
      // That the first four do not fit it knows at once.
      {
        room: 1000,
        read: 4,
        message: "as they take about 30.0 kB: 1.00 kB are available",
      },
    ]
  ) {
    let loaded = 0;
    const held = holdImages({
      sources: Array(100).fill(1),
      load: (count: number) => {
        loaded++;
        return Promise.resolve(tilesOf(count));
      },
      label: "q.jsonl",
      room,
    });
    await assertRejects(() => held, RangeError, message);
    assertEquals(loaded, read);
  }
  await holdImages({
    sources: Array(100).fill(1),
    load: (count: number) => Promise.resolve(tilesOf(count)),
    label: "q.jsonl",
    room: 30_000,
  });
});

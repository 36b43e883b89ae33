// Question files on disk, and where their images are.

import { assertEquals, assertRejects } from "@std/assert";
import { type Dataset, readDataset } from "../../io/mod.ts";

Deno.test("readDataset() finds images beside the file or in a folder", async () => {
  const directory = await Deno.makeTempDir();
  const imagesOf = ({ questions }: Dataset) => questions.map((q) => q.image);
  try {
    const path = `${directory}/q.jsonl`;
    await Deno.writeTextFile(
      path,
      ["a.png", "/data/b.png"].map((image) =>
        JSON.stringify({ image, question: "is it red ?", answer: "no" })
      ).join("\n"),
    );
    assertEquals(imagesOf(await readDataset([path])), [
      `${directory}/a.png`,
      "/data/b.png",
    ]);
    assertEquals(imagesOf(await readDataset([path], { images: "photos" })), [
      "photos/a.png",
      "/data/b.png",
    ]);
    await assertRejects(
      () => readDataset([`${directory}/none.jsonl`]),
      Error,
      `Cannot read ${directory}/none.jsonl as there is no such file`,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

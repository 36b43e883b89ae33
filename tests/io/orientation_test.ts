// How files say that their picture lies: every place that Pillow obeys
// (fixtures/make_orientation.py). In a page the browser decodes the pixels.

import { assertEquals, assertRejects } from "@std/assert";
import { decodeImage, type RgbImage } from "../../io/images.ts";
import { assertClose } from "../_compare.ts";
import files from "../fixtures/orientation.json" with { type: "json" };

/** A file and what Pillow makes of it; nothing where it refuses it. */
interface OrientedFile {
  readonly name: string;
  readonly file: string;
  readonly size?: readonly number[];
  readonly pixels?: string;
}

const FILES: readonly OrientedFile[] = files;

/** Pillow shows these pixels, which are known to be damaged. */
const DAMAGED = "png wrong checksum of IDAT";

/** What we decided about files that Pillow refuses: how their picture lies. */
const DECIDED: Readonly<Record<string, number | "refused">> = {
  "png profile of no digits": 1,
  "png profile of odd digits": 1,
  "png eXIf II+": 1,
  "png eXIf no TIFF": 1,
  "png eXIf of half a head": 1,
  "png eXIf with two marks": 6,
  "png wrong checksum of eXIf": 6,
  "png wrong checksum of tEXt": 6,
  "png wrong checksum of IHDR": "refused",
};

function decode({ name, file }: OrientedFile): Promise<RgbImage> {
  return decodeImage(bytesOf(file), name);
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** That an image is the one which Pillow makes of a file. */
function assertImage({ width, height, data }: RgbImage, file: OrientedFile) {
  assertEquals([width, height], file.size);
  assertClose(data, bytesOf(file.pixels!), {
    absolute: file.name.startsWith("jpeg") ? 2 : 0,
  });
}

for (const file of FILES.filter(({ name, size }) => size && name !== DAMAGED)) {
  Deno.test(`decodeImage() turns a picture as Pillow does (${file.name})`, async () => {
    assertImage(await decode(file), file);
  });
}

for (const file of FILES.filter(({ size }) => !size)) {
  Deno.test(`decodeImage() decides where Pillow refuses (${file.name})`, async () => {
    const decided = DECIDED[file.name];
    if (decided === "refused") {
      await assertRejects(() => decode(file), SyntaxError, "broken");
    } else {
      const same = FILES.find(({ name }) => name === `png eXIf ${decided}`)!;
      assertImage(await decode(file), same);
    }
  });
}

Deno.test("decodeImage() refuses pixels of a wrong checksum", async () => {
  const file = FILES.find(({ name }) => name === DAMAGED)!;
  await assertRejects(() => decode(file), SyntaxError, "broken");
});

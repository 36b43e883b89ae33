// Images that the browser decodes. In Deno there is nothing here to test:
// io/images_test.ts is about what decodes them there.

import { assertEquals, assertRejects } from "@std/assert";
import { decodeImage, inBrowser } from "../../io/images.ts";
import { assertClose } from "../_compare.ts";
import { FILES } from "../_images.ts";

/** What a canvas or another decoder shows otherwise, as `decodeImage` says. */
const OTHERWISE = /alpha|transparent|16 bit|cmyk|wrong byte|gif 1 x 1/;

if (inBrowser) {
  for (const { name, file, image } of FILES) {
    if (OTHERWISE.test(name)) continue;
    Deno.test(`decodeImage() has Pillow's pixels (${name})`, async () => {
      const { width, height, data } = await decodeImage(file, name);
      assertEquals([width, height], [image.width, image.height]);
      const lossy = name.startsWith("jpeg") || name.startsWith("webp");
      assertClose(data, image.data, { absolute: lossy ? 2 : 0 });
    });
  }

  Deno.test("decodeImage() refuses an image that is cut short", async () => {
    for (const { name, file } of FILES.filter(({ name }) => name === "png")) {
      const error = await assertRejects(
        () => decodeImage(file.slice(0, 40), name),
        SyntaxError,
      );
      assertEquals(
        error.message,
        "Cannot decode png as its PNG data is cut short or broken: current length is 40 bytes",
      );
    }
  });
}

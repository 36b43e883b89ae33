import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { decodeImage } from "../../io/images.ts";
import { assertClose } from "../_compare.ts";
import { FILES } from "../_images.ts";

function fileOf(name: string): Uint8Array {
  return FILES.find((file) => file.name === name)!.file.slice();
}

/** What is said of a file that cannot be decoded. */
async function refusal(bytes: Uint8Array): Promise<string> {
  const error = await assertRejects(
    () => decodeImage(bytes, "images/7"),
    SyntaxError,
  );
  return error.message;
}

for (const { name, file, image } of FILES) {
  // Decoders of lossy formats may round otherwise. Here they do not: the
  // difference is 0 on x86-64, with libjpeg-turbo and libwebp on both sides.
  const lossy = name.startsWith("jpeg") || name === "webp";
  Deno.test(`decodeImage() has Pillow's pixels (${name})`, async () => {
    const { width, height, data } = await decodeImage(file, name);
    assertEquals([width, height], [image.width, image.height]);
    assertClose(data, image.data, { absolute: lossy ? 2 : 0 });
  });
}

Deno.test("decodeImage() refuses what is no image of its formats", async () => {
  const start = "Cannot decode images/7 as it must be a JPEG, PNG, WebP or GIF";
  const svg = new TextEncoder().encode("<svg/>");
  const cases: [bytes: Uint8Array, found: string][] = [
    [new Uint8Array(), "it is empty"],
    [Uint8Array.of(1, 2, 3), "its first bytes are 010203"],
    [svg, "its first bytes are 3c7376672f3e"],
    [fileOf("png").slice(1), "its first bytes are 504e470d0a1a0a0000000d49"],
  ];
  for (const [bytes, found] of cases) {
    assertEquals(await refusal(bytes), `${start} image: ${found}`);
  }
});

Deno.test("decodeImage() refuses an image that is cut short anywhere", async () => {
  const formats = { jpeg: "JPEG", png: "PNG", webp: "WebP", gif: "GIF" };
  for (const [name, format] of Object.entries(formats)) {
    const file = fileOf(name);
    for (const share of [0.05, 0.3, 0.6, 0.95]) {
      const length = Math.max(12, Math.floor(file.length * share));
      assertEquals(
        await refusal(file.slice(0, length)),
        `Cannot decode images/7 as its ${format} data is cut short or broken: current length is ${length} bytes`,
      );
    }
  }
});

Deno.test("decodeImage() refuses broken data and keeps the decoder's words", async () => {
  const png = fileOf("png");
  png[60] ^= 0xff;
  const error = await assertRejects(() => decodeImage(png, "images/7"));
  assertEquals(
    (error as Error).message,
    `Cannot decode images/7 as its PNG data is cut short or broken: current length is ${png.length} bytes`,
  );
  assert((error as Error).cause instanceof Error);
});

Deno.test("decodeImage() refuses an image that would fill the memory", async () => {
  const gif = fileOf("gif");
  // A picture of 65,535 x 65,535 pixels in some hundred bytes: the sizes of the
  // screen and, after its palette and one extension, of the picture.
  const descriptor = gif.indexOf(0x2c, 13 + 3 * (2 << (gif[10] & 7)));
  for (const at of [6, descriptor + 5]) gif.fill(0xff, at, at + 4);
  const error = await assertRejects(
    () => decodeImage(gif, "images/7.gif"),
    RangeError,
  );
  assertEquals(
    error.message,
    "Cannot decode images/7.gif as it must have at most 178956970 pixels: current size is 65535 x 65535",
  );
});

Deno.test("decodeImage() says so where its package cannot be had", async () => {
  const code = `
    import { decodeImage } from "${import.meta.resolve("../../io/images.ts")}";
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);
    await decodeImage(png, "a.png").catch(({ message }) => console.log(message));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-npm", code],
  }).output();
  assertMatch(
    new TextDecoder().decode(stdout),
    /^Cannot decode a\.png as the package sharp cannot be loaded: .*--no-npm/,
  );
});

Deno.test("decodeImage() fetches the package of deno.json's version", async () => {
  const source = await Deno.readTextFile(
    new URL("../../io/images.ts", import.meta.url),
  );
  const named = source.match(/npm:sharp@[^"]+/g);
  assertEquals<readonly string[] | null>(named, [config.imports.sharp]);
});

Deno.test("images.ts shows bundlers no package but its types", async () => {
  const file = import.meta.resolve("../../io/images.ts");
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", file],
  }).output();
  interface Module {
    readonly specifier: string;
    readonly dependencies: readonly { specifier: string; code?: unknown }[];
  }
  const { modules } = JSON.parse(new TextDecoder().decode(stdout));
  const packages = (modules as Module[])
    .find(({ specifier }) => specifier === file)!.dependencies
    .filter(({ specifier }) => !specifier.startsWith("."))
    .map(({ specifier, code }) => [specifier, code]);
  assertEquals(packages, [["sharp", undefined]]);
});

// A model's folder from each place that it may lie in.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ByteSource } from "../../core/checkpoints/bytes.ts";
import {
  openFolder,
  openModelDirectory,
  readJsonIn,
  readTextIn,
} from "../../io/mod.ts";

const TINY = new URL("../../models/tiny/", import.meta.url);

/** More than a folder's small files have, and more than is asked for at first. */
const LARGE = Uint8Array.from({ length: 200_000 }, (_, i) => i * 31);

/** Longer than what is fetched whole. */
const HUGE_LENGTH = 2 ** 25 + 1;

interface Site {
  readonly address: string;
  /** Method, path and range of each request. */
  readonly requests: string[];
}

/** How a server may differ from another. */
interface SiteOptions {
  /** Whether it knows ranges. Default true. */
  readonly ranges?: boolean;
  /** Whether it says how long a file is beside a range. Default true. */
  readonly tellsLength?: boolean;
  /** Answers of 503 before it works. Default 0. */
  readonly failures?: number;
}

/** Serves files while `look` runs. */
async function serve(
  files: Readonly<Record<string, Uint8Array | string>>,
  { ranges = true, tellsLength = true, failures = 0 }: SiteOptions,
  look: (site: Site) => Promise<void>,
): Promise<void> {
  const requests: string[] = [];
  let left = failures;
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) => {
      const { pathname, search } = new URL(request.url);
      const range = request.headers.get("range");
      requests.push([request.method, pathname + search, range].join(" "));
      if (left-- > 0) return new Response("busy", { status: 503 });
      const file = files[decodeURIComponent(pathname).slice(1)];
      if (file === undefined) return new Response("none", { status: 404 });
      const bytes = typeof file === "string"
        ? new TextEncoder().encode(file)
        : file;
      if (request.method === "HEAD") {
        return new Response(null, {
          headers: { "content-length": `${bytes.length}` },
        });
      }
      const asked = ranges && /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
      if (!asked) return new Response(bytes.slice());
      if (bytes.length === 0) return new Response(null, { status: 416 });
      const part = bytes.slice(Number(asked[1]), Number(asked[2]) + 1);
      return new Response(part, {
        status: 206,
        headers: tellsLength
          ? { "content-range": `bytes */${bytes.length}` }
          : {},
      });
    },
  );
  await look({
    address: `http://127.0.0.1:${server.addr.port}`,
    requests,
  });
}

async function wholeOf(file: ByteSource | null): Promise<Uint8Array> {
  assert(file !== null);
  return await file!.read(0, file!.length);
}

for (const ranges of [true, false]) {
  Deno.test(`openFolder() reads from a server that knows ${ranges ? "" : "no "}ranges`, async () => {
    const files = { "m/a.json": '{"a": 1}', "m/w": LARGE, "m/empty": "" };
    await serve(files, { ranges }, async ({ address }) => {
      for (const place of [`${address}/m`, new URL(`${address}/m/`)]) {
        const folder = openFolder(place);
        assertEquals(folder.label, `${address}/m`);
        assertEquals((await readJsonIn(folder, "a.json"))?.json, { a: 1 });
        assertEquals(await wholeOf(await folder.open("w")), LARGE);
        const middle = await (await folder.open("w"))!.read(70_000, 3);
        assertEquals(middle, LARGE.slice(70_000, 70_003));
        assertEquals(await readTextIn(folder, "empty"), "");
        assertEquals(await folder.open("none"), null);
      }
    });
  });
}

Deno.test("openFolder() asks for ranges of a file too long to be fetched whole", async () => {
  const huge = new Uint8Array(HUGE_LENGTH);
  huge.set([7, 8, 9], 2 ** 24);
  for (const tellsLength of [true, false]) {
    await serve({ huge }, { tellsLength }, async ({ address, requests }) => {
      const file = await openFolder(address).open("huge");
      assertEquals(file?.length, HUGE_LENGTH);
      assertEquals(await file!.read(2 ** 24, 3), Uint8Array.of(7, 8, 9));
      assertEquals(requests, [
        "GET /huge bytes=0-65535",
        ...tellsLength ? [] : ["HEAD /huge "],
        "GET /huge bytes=16777216-16777218",
      ]);
    });
  }
});

Deno.test("openFolder() keeps the query of an address, and escapes names", async () => {
  await serve({ "m/a b": "x" }, {}, async ({ address, requests }) => {
    const folder = openFolder(`${address}/m?token=1`);
    assertEquals(await readTextIn(folder, "a b"), "x");
    assertEquals(requests, ["GET /m/a%20b?token=1 bytes=0-65535"]);
  });
});

Deno.test("openFolder() asks again where a server fails for a moment", async () => {
  await serve({ a: "x" }, { failures: 1 }, async ({ address }) => {
    assertEquals(await readTextIn(openFolder(address), "a"), "x");
  });
});

Deno.test("openFolder() names the address whose server refuses", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("no", { status: 403, statusText: "Forbidden" }),
  );
  const address = `http://127.0.0.1:${server.addr.port}`;
  await assertRejects(
    () => openFolder(address).open("config.json"),
    Error,
    `Cannot read ${address}/config.json as its server answers 403 Forbidden`,
  );
});

Deno.test("openFolder() refuses places that are none", () => {
  assertThrows(
    () => openFolder(new URL("ftp://example.com/model")),
    TypeError,
    "Cannot open ftp://example.com/model as its protocol must be https:, http: or file:",
  );
  assertThrows(
    () => openFolder({} as unknown as string),
    TypeError,
    "Cannot open a folder as it must be a path, an address or a list of files",
  );
});

/** A file as a browser gives it after a folder was picked. */
function picked(path: string, content: Uint8Array | string): File {
  const bytes = typeof content === "string" ? content : content.slice();
  const file = new File([bytes], path.split("/").at(-1)!);
  Object.defineProperty(file, "webkitRelativePath", { value: path });
  return file;
}

Deno.test("openFolder() takes the outermost of a browser's folders that is a model's", async () => {
  const folder = openFolder([
    picked("models/a/old/config.json", "[1]"),
    picked("models/a/config.json", "[2]"),
    picked("models/a/w", LARGE),
    picked("models/other/w", "not this one"),
  ]);
  assertEquals(folder.label, "models/a");
  assertEquals((await readJsonIn(folder, "config.json"))?.json, [2]);
  assertEquals(await wholeOf(await folder.open("w")), LARGE);
  assertEquals(await folder.open("old/none"), null);
  assertEquals(await folder.open("tokenizer.json"), null);
});

Deno.test("openFolder() takes files that were picked one by one", async () => {
  const folder = openFolder([
    new File(["[3]"], "config.json"),
    new File(["x"], "w"),
  ]);
  assertEquals((await readJsonIn(folder, "config.json"))?.json, [3]);
  assertEquals(await readTextIn(folder, "w"), "x");
});

Deno.test("openModelDirectory() opens models/tiny from every place alike", async () => {
  const files: Record<string, Uint8Array> = {};
  for await (const { name } of Deno.readDir(TINY)) {
    files[name] = await Deno.readFile(new URL(name, TINY));
  }
  const browser = Object.entries(files).map(([name, bytes]) =>
    picked(`tiny/${name}`, bytes)
  );
  const local = await openModelDirectory("models/tiny");
  const name = "language_model.lm_head.weight";
  const want = await local.source.tensors.read(name);
  await serve(files, {}, async ({ address }) => {
    for (const place of [TINY, TINY.href, address, browser]) {
      const { source, tokenizer, stopTokens } = await openModelDirectory(place);
      assertEquals(source.config, local.source.config);
      assertEquals(stopTokens, local.stopTokens);
      assertEquals(tokenizer.encode("red"), local.tokenizer.encode("red"));
      assertEquals(await source.tensors.read(name), want);
    }
  });
});

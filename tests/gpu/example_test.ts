// deno-lint-ignore-file no-console
// The example of gpu/mod.ts. Deno runs examples wherever it finds them; this one
// needs a GPU. Reads a file, so not in a page.

import { assertEquals } from "@std/assert";
import "../_gpu.ts";

Deno.test("the example of gpu/mod.ts prints what its comment says", async () => {
  const module = new URL("../../gpu/mod.ts", import.meta.url);
  const [, block] = (await Deno.readTextFile(module)).split(
    /```(?:ts ignore)?\n/,
  );
  const code = block.replaceAll(/^ \* ?/gm, "")
    .replace("@tokensieve/tokensieve/gpu", module.href);
  const [, expected] = code.match(/console\.log\(.*\); \/\/ (.*)/)!;
  const printed: unknown[] = [];
  const { log } = console;
  console.log = (value: Float32Array) => printed.push([...value]);
  try {
    await import(`data:text/typescript,${encodeURIComponent(code)}`);
  } finally {
    console.log = log;
  }
  assertEquals(printed, [JSON.parse(expected)]);
});

// What JSR's score asks of a package's entry points, as far as the types, the
// documentation of each export and the licence are not looked at by
// `deno task check`.

import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** What is started from its address: JSR holds what no entry point imports as text. */
const WORKERS = ["eval/worker.ts", "study/node_worker.ts"];

/** The first documentation comment of a file. */
async function firstComment(file: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(file, ROOT));
  return /^\/\*\*.*?\*\//s.exec(text)?.[0] ?? "";
}

for (const [name, file] of Object.entries(config.exports)) {
  Deno.test(`the entry point ${name} says what it is, with an example`, async () => {
    const comment = await firstComment(file);
    assert(comment.includes("@module"));
    assert(/^ \* ```(ts|sh)\b/m.test(comment));
  });
}

Deno.test("programs, workers and folders with a mod.ts are entry points, and published", async () => {
  const programs = [...Deno.readDirSync(ROOT)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts"));
  const { include } = config.publish;
  const rooms = include.filter((path) => path.endsWith("/"));
  const present = await Promise.all(rooms.map(async (room) => {
    const file = `${room}mod.ts`;
    const isFile = await Deno.stat(new URL(file, ROOT)).catch(() => null);
    return isFile ? [file] : [];
  }));
  assertEquals(
    Object.values(config.exports).toSorted(),
    [...programs, ...present.flat(), ...WORKERS].map((file) => `./${file}`)
      .toSorted(),
  );
  assertEquals(programs.filter((name) => !include.includes(name)), []);
});

// Whether another JavaScript engine makes the same suggestions, to the last bit.

import { assertEquals } from "@std/assert";
import { stripTypeScriptTypes } from "node:module";
import { suggest } from "../_optim_engines.ts";

const ROOT = new URL("../../", import.meta.url);

/** Node.js, where there is one. */
const hasNode = await new Deno.Command("node", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);

/** Copies a TypeScript file without its types, as .mjs. */
async function strip(file: string, to: string): Promise<void> {
  const text = await Deno.readTextFile(new URL(file, ROOT));
  await Deno.writeTextFile(
    `${to}/${file.replace(/ts$/, "mjs")}`,
    stripTypeScriptTypes(text).replaceAll('.ts";', '.mjs";'),
  );
}

/** The same for all files of a folder. */
async function stripAll(folder: string, to: string): Promise<void> {
  await Deno.mkdir(`${to}/${folder}`);
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) await stripAll(`${folder}${name}/`, to);
    else await strip(folder + name, to);
  }
}

Deno.test({
  name: "Node.js suggests what Deno suggests, bit for bit",
  ignore: !hasNode,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      await stripAll("optim/", folder);
      await Deno.mkdir(`${folder}/tests`);
      await strip("tests/_optim_engines.ts", folder);
      const { stdout } = await new Deno.Command("node", {
        args: [`${folder}/tests/_optim_engines.mjs`],
      }).output();
      assertEquals(JSON.parse(new TextDecoder().decode(stdout)), suggest());
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

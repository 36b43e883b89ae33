/**
 * Tries the package as its users get it: packed as JSR packs it, and started
 * where nothing of this repository lies.
 *
 *     deno task test:packages [--browser PATH]
 *
 * It needs npm, and the network for packages: two versions of Node, Bun and Vite
 * among them.
 */
// deno-lint-ignore-file no-console

import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { stripTypeScriptTypes } from "node:module";
import sharp from "sharp";
import config from "../../deno.json" with { type: "json" };
import { drawScene, SCENE_SIZE, sceneRandom } from "../../eval/mod.ts";
import { findBrowser, startBrowser } from "../browser/browser.ts";
import { packForNpm, packSources, writeFiles } from "./pack.ts";
import { serveFolder } from "./server.ts";

const ROOT = new URL("../../", import.meta.url);

/** The oldest Node that runs the library, and the newest that npm has. */
const NODES: Readonly<Record<string, string>> = {
  "Node 20.16": "20.16.0",
  "the newest Node": "latest",
};

const QUESTION = "how many red shapes ?";
const ANSWER = "one";

/** What the first run of a program may fetch: what it imports. */
const PACKAGES_OF_PROGRAMS = ["@huggingface/tokenizers", "deno-std"];

/** Runs a command to its end; its standard output, and all that it said. */
async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string> },
): Promise<{ readonly stdout: string; readonly all: string }> {
  const output = await new Deno.Command(command, {
    ...options,
    args: [...args],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
  }).output();
  const [stdout, stderr] = [output.stdout, output.stderr]
    .map((bytes) => new TextDecoder().decode(bytes));
  const all = stdout + stderr;
  if (!output.success) {
    throw new Error(`${[command, ...args].join(" ")} failed:\n${all}`);
  }
  return { stdout, all };
}

/** Runs a program in Deno with an empty cache; what it said and fetched. */
async function runAtFirst(
  args: readonly string[],
  cwd: string,
): Promise<{ readonly stdout: string; readonly packages: string[] }> {
  const cache = await Deno.makeTempDir();
  try {
    const { stdout } = await run(Deno.execPath(), [
      "run",
      "--quiet",
      "-A",
      ...args,
    ], {
      cwd,
      env: { DENO_DIR: cache },
    });
    return { stdout, packages: packagesIn(`${cache}/npm`) };
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** The packages in a cache of Deno, which has a folder for each registry. */
function packagesIn(folder: string): string[] {
  const names = (folder: string): string[] =>
    [...Deno.readDirSync(folder)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  return names(folder).flatMap((registry) =>
    names(`${folder}/${registry}`).flatMap((name) =>
      name.startsWith("@")
        ? names(`${folder}/${registry}/${name}`).map((part) =>
          `${name}/${part}`
        )
        : [name]
    )
  ).sort();
}

/** Code blocks of README.md whose text has a part, with the types taken out. */
function exampleWith(part: string, readme: string): string {
  const found = [...readme.matchAll(/^```(ts|html)\n(.*?)^```$/gms)]
    .filter(([, , code]) => code.includes(part));
  assertEquals(found.length, 1, `README.md has one example with ${part}`);
  const [[, language, code]] = found;
  return language === "ts" ? stripTypeScriptTypes(code) : code;
}

/** Makes the project of a user of npm; the runtimes' commands by their names. */
async function installProject(
  project: string,
  packed: string,
): Promise<Readonly<Record<string, readonly string[]>>> {
  await writeFiles(packed, await packForNpm());
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  const { stdout } = await run(npm, ["pack", "--silent"], { cwd: packed });
  const { os, arch } = Deno.build;
  const system = os === "windows" ? "win" : os;
  const cpu = arch === "aarch64" ? "arm64" : "x64";
  // The packages for one system have no install scripts, which npm may refuse.
  const bun = `bun-${os}-${arch === "aarch64" ? "aarch64" : "x64"}`;
  const nodes = Object.values(NODES)
    .map((
      version,
    ) => [`node-${version}`, `npm:node-${system}-${cpu}@${version}`]);
  const manifest = {
    type: "module",
    dependencies: {
      "@tokensieve/tokensieve": `file:${packed}/${stdout.trim()}`,
      [`@oven/${bun}`]: "latest",
      vite: "latest",
      ...Object.fromEntries(nodes),
    },
  };
  await Deno.writeTextFile(`${project}/package.json`, JSON.stringify(manifest));
  await run(npm, ["install", "--no-audit", "--no-fund"], {
    cwd: project,
  });
  const modules = `${project}/node_modules`;
  return {
    ...Object.fromEntries(
      Object.entries(NODES).map(([name, version]) => [
        name,
        [`${modules}/node-${version}/bin/node`],
      ]),
    ),
    Bun: [`${modules}/@oven/${bun}/bin/bun`, "run"],
  };
}

const counts = { passed: 0, failed: 0 };

/** Runs a test and tells what came of it. */
async function test(what: string, body: () => Promise<void>): Promise<void> {
  const start = performance.now();
  let error: Error | null = null;
  await body().catch((found) => error = found);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  counts[error ? "failed" : "passed"]++;
  console.log(`${error ? "FAILED" : "ok    "}  ${what} (${seconds} s)`);
  if (error) console.log((error as Error).message.replaceAll(/^/gm, "    "));
}

const options = parseArgs(Deno.args, { string: ["browser"] });
const work = await Deno.makeTempDir({ prefix: "packages-" });
const folder = async (name: string): Promise<string> => {
  await Deno.mkdir(`${work}/${name}`, { recursive: true });
  return `${work}/${name}`;
};
try {
  const served = await folder("served");
  await writeFiles(served, await packSources());
  await using server = serveFolder(served);
  const model = `${server.origin}/models/tiny`;
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const { pixels } = drawScene(sceneRandom("heldout", 0, 3));
  const image = `${work}/scene.png`;
  const raw = { width: SCENE_SIZE, height: SCENE_SIZE, channels: 3 } as const;
  await sharp(pixels, { raw }).png().toFile(image);

  await test("a first run fetches what the program imports", async () => {
    const { stdout, packages } = await runAtFirst(
      ["search.ts", "--help"],
      ROOT.pathname,
    );
    assertMatch(stdout, /^Usage: /m);
    assertEquals(packages, PACKAGES_OF_PROGRAMS);
  });

  const empty = await folder("empty");
  await test("the main job runs by address", async () => {
    const { stdout, packages } = await runAtFirst([
      `${server.origin}/search.ts`,
      ...["--device", "cpu", "--calibration", "32", "--heldout", "32"],
      // So few questions can show no less.
      ...["--epsilon", "8.5"],
    ], empty);
    assertMatch(stdout, /^G-Search +\d/m);
    assertEquals(packages, PACKAGES_OF_PROGRAMS);
  });

  await test("a question is answered by address", async () => {
    const { stdout } = await runAtFirst([
      `${server.origin}/ask.ts`,
      ...["--device", "cpu", "--image", image, QUESTION],
    ], empty);
    assertMatch(stdout, new RegExp(`^${ANSWER}$`, "m"));
  });

  const project = await folder("project");
  let runtimes: Readonly<Record<string, readonly string[]>> = {};
  await test("npm installs the package", async () => {
    runtimes = await installProject(project, await folder("packed"));
  });
  const users = new URL("users/", import.meta.url);
  for (const name of ["imports.mjs", "ask.mjs"]) {
    await Deno.copyFile(new URL(name, users), `${project}/${name}`);
  }
  await Deno.symlink(`${served}/models`, `${project}/models`);
  await Deno.writeTextFile(
    `${project}/main_job.mjs`,
    exampleWith("gSearch(", readme)
      // So few questions can show no less.
      .replaceAll("count: 128", "count: 32").replace("2.5", "8.5"),
  );
  await Deno.writeTextFile(
    `${project}/asking.mjs`,
    exampleWith("model.ask(image,", readme),
  );
  // Programs are for Deno, and workers start from their addresses.
  const entries = Object.keys(config.exports)
    .filter((name) => !/\/cli\/|worker$/.test(name))
    .map((name) => `@tokensieve/tokensieve${name.slice(1)}`);
  for (const [name, [command, ...args]] of Object.entries(runtimes)) {
    const start = (...more: string[]) =>
      run(command, [...args, ...more], { cwd: project });
    await test(`${name} imports every entry point`, async () => {
      await start("imports.mjs", ...entries);
    });
    await test(`${name} answers, and evaluates with workers`, async () => {
      const { stdout } = await start("ask.mjs", model, image, QUESTION);
      const [first, second, correct] = stdout.trim().split("\n");
      assertEquals([first, second], [ANSWER, ANSWER]);
      assert(Number(correct) >= 38, `${correct} of 40 answers are right`);
    });
    await test(`${name} runs the examples of README.md`, async () => {
      const { stdout } = await start("asking.mjs");
      assertMatch(stdout, new RegExp(`^${ANSWER} 2\\.\\d+$`, "m"));
      const job = await start("main_job.mjs");
      assertMatch(job.stdout, /144, *144/);
    });
  }

  const page = exampleWith("<form>", readme);
  await test("Vite bundles the page of README.md, without a word", async () => {
    assert(page.trim().split("\n").length <= 25);
    await Deno.writeTextFile(`${project}/index.html`, page);
    await Deno.mkdir(`${project}/public`);
    await Deno.symlink(`${served}/models`, `${project}/public/models`);
    const vite = `${project}/node_modules/vite/bin/vite.js`;
    const [node] = runtimes["the newest Node"];
    const { all } = await run(node, [vite, "build", "--logLevel", "warn"], {
      cwd: project,
    });
    assertEquals(all, "");
    const chunks = [...Deno.readDirSync(`${project}/dist/assets`)]
      .map(({ name }) => name);
    // The page's code, and what its workers run.
    assertMatch(
      chunks.toSorted().join(),
      /^index-[^,]+\.js,worker-[^,]+\.js$/,
    );
  });
  await using host = serveFolder(`${project}/dist`);
  await using browser = await startBrowser(findBrowser(options.browser));
  for (const device of ["cpu", "webgpu"]) {
    await test(`the page answers in Chromium on ${device}`, async () => {
      const tab = await browser.newPage();
      const errors: string[] = [];
      tab.on("pageerror", (error) => errors.push(String(error)));
      await tab.goto(`${host.origin}/index.html`);
      await tab.setInputFiles("[name=image]", image);
      await tab.fill("[name=question]", QUESTION);
      await tab.selectOption("[name=device]", device);
      await tab.click("button");
      const answer = tab.locator("output");
      await answer.filter({ hasText: /./ }).waitFor({ timeout: 120_000 })
        .catch((error) => errors.push(String(error)));
      assertEquals(errors, []);
      assertEquals(await answer.textContent(), ANSWER);
      await tab.close();
    });
  }
} catch (error) {
  console.error((error as Error).stack);
  counts.failed++;
} finally {
  await Deno.remove(work, { recursive: true });
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
if (counts.failed > 0) Deno.exitCode = 1;

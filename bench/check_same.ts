/**
 * Does a change of the code change results? Runs search.ts here and in another
 * checkout with the same options, and compares their schedules and trials byte for
 * byte. Durations are left out, and so is the number of samples of a failing trial,
 * which depends on the order in which workers finish.
 *
 *     git worktree add ../before HEAD~1
 *     deno task check:same ../before              # --quick, some minutes
 *     deno task check:same ../before --whole      # the default runs as well
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";

/** Options of search.ts that are compared. */
const QUICK: readonly string[] = [
  "--quick --device cpu",
  "--quick --device cpu --scenario both --budget 0.40,flops:0.5",
  "--quick --device cpu --criterion loss --rank last --positions reindexed",
  "--quick --device webgpu --calibration 64 --heldout 64 --epsilon 5",
];
const WHOLE: readonly string[] = [
  "--device cpu",
  "--device cpu --scenario 2 --baselines none",
];

const args = parseArgs(Deno.args, { string: ["_"], boolean: ["whole"] });
if (args._.length !== 1) {
  throw new RangeError("Cannot compare: give the folder of another checkout");
}
const here = new URL("../", import.meta.url).pathname;
const other = await Deno.realPath(String(args._[0]));

/** The results of search.ts in a checkout, by the name of the file. */
async function filesLeftBy(
  checkout: string,
  options: string,
): Promise<Map<string, string>> {
  const out = await Deno.makeTempDir();
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "search.ts", ...options.split(" "), "--out", out],
      cwd: checkout,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(
        `Cannot compare as search.ts ${options} failed in ${checkout}: ${
          new TextDecoder().decode(stderr).trim()
        }`,
      );
    }
    const files = new Map<string, string>();
    for await (const { name } of Deno.readDir(out)) {
      if (!/\.jsonl?$/.test(name)) continue;
      const text = await Deno.readTextFile(`${out}/${name}`);
      files.set(
        name,
        text.replaceAll(/,"seconds":[^,}]*/g, "")
          .replaceAll(
            /("verdict":"fail"),"samplesUsed":\d+,"meanDrop":[^,]*/g,
            "$1",
          ),
      );
    }
    return files;
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

let different = 0;
for (const options of args.whole ? [...QUICK, ...WHOLE] : QUICK) {
  console.log(`search.ts ${options}`);
  const before = await filesLeftBy(other, options);
  const after = await filesLeftBy(here, options);
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [a, b] = [before.get(name), after.get(name)];
    const verdict = a === undefined
      ? "only here"
      : b === undefined
      ? "only there"
      : a === b
      ? `same, ${b.split("\n").length - 1} lines`
      : "DIFFERENT";
    if (verdict === "DIFFERENT") different++;
    console.log(`  ${name.padEnd(28)} ${verdict}`);
  }
}
console.log(`${different} files differ`);
Deno.exitCode = different > 0 ? 1 : 0;

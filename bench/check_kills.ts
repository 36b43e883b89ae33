/**
 * Does a search that is killed find what it finds undisturbed? Both scenarios of
 * search.ts run on a small model, alone and with others in one folder, and are
 * killed at random moments and started again. Then every schedule must be the
 * undisturbed one byte for byte, and no other file be left.
 *
 *     deno task check:kills                     # 100 kills
 *     deno task check:kills --kills 20 --from 3
 *
 * Each round has its own seed, so that `--from` goes on after an interruption.
 */
// deno-lint-ignore-file no-console

import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { createRandom } from "../core/mod.ts";
import { command, DATA, makeWorkplace, succeed } from "../tests/_search_cli.ts";

/** Options of each search; each writes schedules of its own. */
const SEARCHES: readonly (readonly string[])[] = [
  ["--scenario=both", "--criterion=loss", "--budget=0.5"],
  ["--scenario=2", "--budget=0.6,kv:0.7", "--seed=1"],
  ["--scenario=2", "--budget=flops:0.8", "--rank=last"],
].map((args) => [
  ...["--model=model", ...DATA, "--device=cpu", "--baselines=constant"],
  ...["--first-layer=1", "--evaluations=12", ...args],
]);

/** The searches of a round's processes. */
const ROUNDS: readonly (readonly number[])[] = [
  [0],
  [0, 0],
  [0, 1],
  [0, 0, 0, 0],
  [0, 1, 2, 1],
];
/** The schedules in a folder, by their files' names. */
async function schedulesIn(folder: string): Promise<Record<string, string>> {
  const schedules: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    if (name === "trials.sqlite") continue;
    schedules[name] = await Deno.readTextFile(`${folder}/${name}`);
  }
  return schedules;
}

/** A search, and what it finds undisturbed. */
interface Undisturbed {
  readonly args: readonly string[];
  readonly schedules: Readonly<Record<string, string>>;
  readonly milliseconds: number;
}

async function runUndisturbed(
  place: string,
  args: readonly string[],
  out: string,
): Promise<Undisturbed> {
  const start = performance.now();
  await succeed(place, [...args, `--out=${out}`]);
  const milliseconds = performance.now() - start;
  return {
    args,
    schedules: await schedulesIn(`${place}/${out}`),
    milliseconds,
  };
}

/** Runs a search until it ends by itself, and counts how often it was killed. */
async function runKilled(
  place: string,
  args: readonly string[],
  nextDelay: () => number,
): Promise<number> {
  for (let kills = 0;; kills++) {
    const child = command(place, args).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), nextDelay());
    const { code, signal, stderr } = await child.output();
    clearTimeout(timer);
    if (signal === "SIGKILL") continue;
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return kills;
  }
}

const args = parseArgs(Deno.args, {
  string: ["kills", "from"],
  default: { kills: "100", from: "0" },
});
const place = await makeWorkplace();
try {
  const known: Undisturbed[] = [];
  for (const [i, search] of SEARCHES.entries()) {
    known.push(await runUndisturbed(place, search, `alone${i}`));
  }
  let total = 0;
  for (let round = Number(args.from); total < Number(args.kills); round++) {
    const searches = ROUNDS[round % ROUNDS.length].map((i) => known[i]);
    const random = createRandom(round).uniform;
    const out = `round${round}`;
    const kills = await Promise.all(
      searches.map(({ args, milliseconds }) =>
        runKilled(
          place,
          [...args, `--out=${out}`],
          () => 1.5 * random() * milliseconds,
        )
      ),
    );
    const expected = Object.assign(
      {},
      ...searches.map(({ schedules }) => schedules),
    );
    assertEquals(await schedulesIn(`${place}/${out}`), expected);
    const sum = kills.reduce((sum, count) => sum + count, 0);
    total += sum;
    console.log(
      `round ${round}, ${searches.length} processes, ${sum} kills: ${
        Object.keys(expected).length
      } schedules as undisturbed, nothing else left`,
    );
  }
  console.log(`${total} kills: every schedule as undisturbed`);
} finally {
  await Deno.remove(place, { recursive: true });
}

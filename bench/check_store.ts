/**
 * Are trials safe? Processes share a store, and are killed and started again at
 * random moments, some of them on a disk that is soon full; then every trial must
 * be there, none evaluated again but those that were running, and no file left.
 *
 *     deno task check:store                     # 100 kills
 *     deno task check:store --kills 20 --from 3
 *
 * Each round is of two or four processes, of one study or of several, and has its
 * own seed, so that `--from` goes on after an interruption.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { createRandom } from "../core/mod.ts";
import { runWithKills } from "../tests/_store_kills.ts";

/** The studies of the processes of a round. */
const ROUNDS: readonly (readonly number[])[] = [
  [1, 1],
  [1, 2],
  [1, 1, 1, 1],
  [1, 2, 3, 4],
  [1, 1, 2, 2],
];

const args = parseArgs(Deno.args, {
  string: ["kills", "from"],
  default: { kills: "100", from: "0" },
});
const wanted = Number(args.kills);
const total = { kills: 0, fullDisks: 0, trials: 0, repeated: 0 };
for (let round = Number(args.from); total.kills < wanted; round++) {
  const seeds = ROUNDS[round % ROUNDS.length];
  const folder = await Deno.makeTempDir();
  try {
    const { kills, fullDisks, trials, repeated } = await runWithKills(folder, {
      seeds,
      trials: 500,
      kills: 20,
      fullDisks: 3,
      random: createRandom(round).uniform,
    });
    console.log(
      `round ${round}, studies ${seeds}: ${kills} kills, ${fullDisks} full disks, ${trials} trials, ${repeated} begun again`,
    );
    total.kills += kills;
    total.fullDisks += fullDisks;
    total.trials += trials;
    total.repeated += repeated;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
console.log(
  `${total.kills} kills, ${total.fullDisks} full disks: ${total.trials} trials recorded, none lost, ${total.repeated} evaluated again as they were running, nothing left behind`,
);

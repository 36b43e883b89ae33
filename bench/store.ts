/**
 * What the store costs a search: going on with many trials, and storing one.
 *
 *     deno task bench:store                    # 10,000 trials of 2,000 samples
 *     deno task bench:store --folder out       # on the disk of that folder
 *
 * Each trial waits for the disk, whose own time is printed too: that of writing
 * as many bytes to a file and waiting for them.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { createRandom } from "../core/mod.ts";
import { formatTable } from "../report/mod.ts";
import type { Trial } from "../search/mod.ts";
import { openStore } from "../store/mod.ts";
import { IDENTITY, trialsOf } from "../tests/_store.ts";

/** Trials that a study goes on after. */
const TRIALS = 10_000;
/** Samples of a trial. */
const SAMPLES = 2000;
/** Each time is the median of so many. */
const ROUNDS = 21;

const args = parseArgs(Deno.args, { string: ["folder"] });
const random = createRandom(1).uniform;
const evaluation = {
  samples: Array.from({ length: SAMPLES }, (_, index) => ({
    index,
    correct: random() < 0.8,
    loss: random(),
  })),
  total: SAMPLES,
};

/** Milliseconds of something, each time, without what follows it. */
async function time(
  body: () => Promise<unknown>,
  after: () => Promise<unknown> = () => Promise.resolve(),
): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await body();
    times.push(performance.now() - start);
    await after();
  }
  return times.sort((a, b) => a - b);
}

async function main(folder: string): Promise<void> {
  const path = `${folder}/trials.sqlite`;
  const trials = trialsOf(TRIALS + ROUNDS);
  let store = await openStore(path, { program: "bench" });
  let study = await store.study<Trial>(IDENTITY);
  await study.takeOver(trials.slice(0, TRIALS));

  let next = TRIALS;
  const appending = await time(() =>
    study.append(trials[next++], { evaluation })
  );
  const bytes = new Uint8Array(13 * SAMPLES + 1000);
  const file = Deno.openSync(`${folder}/disk`, { create: true, write: true });
  const waiting = await time(async () => {
    await file.write(bytes);
    await file.syncData();
  });
  file.close();
  await store.close();

  const resuming = await time(async () => {
    store = await openStore(path, { program: "bench" });
    study = await store.study<Trial>(IDENTITY);
  }, async () => {
    if (study.recorded.length !== TRIALS + ROUNDS) throw new Error("lost");
    await store.close();
  });
  const row = (name: string, times: readonly number[]): string[] => [
    name,
    times[times.length >> 1].toFixed(1),
    times[0].toFixed(1),
  ];
  console.log(formatTable([
    ["milliseconds", "median", "least"],
    row(`going on with ${TRIALS} trials`, resuming),
    row(`storing a trial of ${SAMPLES} samples`, appending),
    row("  of these, waiting for the disk", waiting),
  ]));
}

const folder = await Deno.makeTempDir({
  ...args.folder && { dir: args.folder },
});
try {
  await main(folder);
} finally {
  await Deno.remove(folder, { recursive: true });
}

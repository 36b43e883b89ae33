/**
 * The time that the store costs a search: resuming it with many trials, and
 * storing one; and the time that the stored state of P-Sigmoid's optimiser saves.
 *
 *     deno task bench:store                    # 10,000 trials of 2,000 samples
 *     deno task bench:store --folder out       # on the disk of that folder
 *
 * Each trial waits for the disk, whose own time is printed too: that of writing
 * as many bytes to a file and waiting for them.
 */
// deno-lint-ignore-file no-console

import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { createRandom } from "../core/mod.ts";
import { formatTable } from "../report/mod.ts";
import {
  pSigmoid,
  type PSigmoidSpace,
  type PSigmoidState,
  type PSigmoidTrial,
  type Trial,
} from "../search/mod.ts";
import { openStore } from "../store/mod.ts";
import { IDENTITY, trialsOf } from "../tests/_store.ts";

/** Trials that a study goes on after. */
const TRIALS = 10_000;
/** Samples of a trial. */
const SAMPLES = 2000;
/** Each time is the median of so many. */
const ROUNDS = 11;

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

/** Milliseconds of something, each time in order. */
interface Times {
  /** On the clock, other programs and the disk included. */
  readonly wall: readonly number[];
  /** Processor time of this process alone. */
  readonly processor: readonly number[];
}

/** Times something, without what follows it. */
async function time(
  body: () => Promise<unknown>,
  after: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Times> {
  const wall: number[] = [];
  const processor: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const usage = process.cpuUsage();
    await body();
    wall.push(performance.now() - start);
    const { user, system } = process.cpuUsage(usage);
    processor.push((user + system) / 1000);
    await after();
  }
  const ordered = (times: number[]): number[] => times.sort((a, b) => a - b);
  return { wall: ordered(wall), processor: ordered(processor) };
}

/** P-Sigmoid as it searches a decoder of 32 layers. */
const SPACE: PSigmoidSpace = {
  layers: 32,
  visionTokens: 576,
  firstLayer: 1,
  lastFirstLayer: 31,
  budget: { kind: "rate", limit: 0.3 },
};

/** Going on with P-Sigmoid from its trials, and from its state as JSON. */
async function timeStates(): Promise<readonly [Times, Times]> {
  const trials: PSigmoidTrial[] = [];
  let text = "";
  const search = pSigmoid(({ keep }) => {
    const loss = keep.reduce((sum, count, layer) => sum + count * layer, 0);
    const samples = [{ index: 0, correct: true, loss: loss / 1e6 }];
    return Promise.resolve({ samples, total: 1 });
  }, { ...SPACE, onState: (state) => text = JSON.stringify(state) });
  for await (const trial of search) trials.push(trial);
  const from = (state?: PSigmoidState): Promise<unknown> =>
    // Nothing is left to evaluate.
    pSigmoid(() => Promise.reject(new Error("evaluates")), {
      ...SPACE,
      recorded: trials,
      ...state && { state },
    }).next();
  return [
    await time(() => from()),
    await time(() => from(JSON.parse(text))),
  ];
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
  const [replaying, continuing] = await timeStates();
  const row = (name: string, { wall, processor }: Times): string[] => [
    name,
    ...[wall, processor].flatMap((times) => [
      times[times.length >> 1].toFixed(1),
      times[0].toFixed(1),
    ]),
  ];
  console.log(formatTable([
    ["milliseconds, median and least", "clock", "", "processor", ""],
    row(`going on with ${TRIALS} trials`, resuming),
    row(`storing a trial of ${SAMPLES} samples`, appending),
    row("  of these, waiting for the disk", waiting),
    row("P-Sigmoid after 30 trials, from these", replaying),
    row("P-Sigmoid after 30 trials, from its state", continuing),
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

// A process that runs a study to its end. Its arguments are JSON.
// deno-lint-ignore-file no-console

import { openStore } from "../store/mod.ts";
import { evaluationOf, seeded, trialOf } from "./_store.ts";

/** What the process is told. */
export interface ChildOptions {
  /** The store. */
  readonly path: string;
  /** Which study. */
  readonly seed: number;
  /** How many trials it has. */
  readonly trials: number;
  /** A file that gets a line for each evaluation, before it begins. */
  readonly log: string;
}

async function main(
  { path, seed, trials, log }: ChildOptions,
): Promise<void> {
  const store = await openStore(path, { program: "child" });
  const study = await store.study(seeded(seed), { onWait: () => {} });
  console.log("runs");
  for (let i = study.recorded.length; i < trials; i++) {
    Deno.writeTextFileSync(log, `${Deno.pid} ${seed} ${i}\n`, { append: true });
    await new Promise((resolve) => setTimeout(resolve, 1));
    await study.append(trialOf(1000 * seed + i), {
      evaluation: evaluationOf(100),
      state: { after: i },
    });
  }
  await store.close();
}

if (import.meta.main) {
  try {
    await main(JSON.parse(Deno.args[0]));
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(2);
  }
}

// The program search.ts as a user meets it: a process with files around it, on
// a model small enough to search in a second.

import { assertEquals } from "@std/assert";
import {
  type Finished,
  finished,
  type Program,
  program,
  testsIn,
} from "./_cli.ts";
import { openStore } from "../store/mod.ts";
import { alter } from "./_store.ts";
import { writeQuestions, writeSmallModel } from "./_small_model.ts";

const SEARCH = program("search.ts");

/** Options for the questions of a workplace. */
export const DATA: readonly string[] = [
  "--calibration=data/calibration.jsonl",
  "--heldout=data/heldout.jsonl",
];

/** A folder with a model and questions, to run the program in. */
export async function makeWorkplace(): Promise<string> {
  const place = await Deno.makeTempDir();
  await writeSmallModel(`${place}/model`);
  // As models/tiny: an answer is one word, which even this model gets right
  // now and then.
  await writeGeneration(place, { eos_token_id: 2, max_new_tokens: 1 });
  await writeQuestions(`${place}/data`, "calibration.jsonl", 24, 1);
  await writeQuestions(`${place}/data`, "heldout.jsonl", 24, 2, "judged");
  return place;
}

/** Writes what the workplace's model is to generate. */
export async function writeGeneration(
  place: string,
  generation: Readonly<Record<string, number>>,
): Promise<void> {
  const file = `${place}/model/generation_config.json`;
  await Deno.writeTextFile(file, JSON.stringify(generation));
}

/** Runs a test in a workplace of its own. */
export const testIn: ReturnType<typeof testsIn> = testsIn(makeWorkplace);

/** Prepares a process of search.ts. */
export const command: Program["command"] = SEARCH.command;

/** Runs search.ts to its end. */
export const run: Program["run"] = SEARCH.run;

/** The same, gives its output, and expects no error. */
export const succeed: Program["succeed"] = SEARCH.succeed;

/** The same with `--json`: the one object for programs, and what people read. */
export async function succeedJson<T>(
  ...given: Parameters<Program["succeedJson"]>
): Promise<{ readonly result: T; readonly told: string }> {
  const { values, told } = await SEARCH.succeedJson(...given);
  assertEquals(values.length, 1);
  return { result: values[0] as T, told };
}

/** The text of a file there. */
export const read = (place: string, file: string): Promise<string> =>
  Deno.readTextFile(`${place}/${file}`);

/** Whether there is such a file. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The trials of a search in a folder of results, by their study's label. */
export async function trialsIn<Trial>(
  out: string,
  told: string,
): Promise<readonly Trial[]> {
  const path = `${out}/trials.sqlite`;
  if (!await exists(path)) return [];
  const store = await openStore(path, { program: "test" });
  try {
    const trials: Trial[] = [];
    let number = 0;
    for await (const line of store.exportLines()) {
      const { study, description, trial } = JSON.parse(line);
      if (description?.includes(told)) number = study;
      if (trial && study === number) trials.push(trial);
    }
    return trials;
  } finally {
    await store.close();
  }
}

/** Cuts a study short, as if the program had been killed earlier. */
export async function cutTrials(
  out: string,
  study: number,
  trials: number,
): Promise<void> {
  const later = `study = ${study} AND number >= ${trials}`;
  await alter(
    `${out}/trials.sqlite`,
    `DELETE FROM trial_results WHERE ${later};
     DELETE FROM trials WHERE ${later};
     DELETE FROM states WHERE study = ${study};
     UPDATE studies SET trials = ${trials} WHERE number = ${study}`,
  );
}

/** Runs the program until the first trial is recorded, then presses Ctrl-C. */
export async function interrupt(
  place: string,
  args: readonly string[],
  told: string,
): Promise<Finished> {
  const child = SEARCH.command(place, args).spawn();
  const output = child.output();
  while ((await trialsIn(`${place}/out`, told)).length < 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  child.kill("SIGINT");
  return finished(await output);
}

// The program search.ts as a user meets it: a process with files around it, on
// a model small enough to search in a second.

import { assertEquals } from "@std/assert";
import { writeQuestions, writeSmallModel } from "./_small_model.ts";

const SEARCH = new URL("../search.ts", import.meta.url).pathname;
/** Options for the questions of a workplace. */
export const DATA: readonly string[] = [
  "--calibration=data/calibration.jsonl",
  "--heldout=data/heldout.jsonl",
];

/** A folder with a model and questions, to run the program in. */
async function makeWorkplace(): Promise<string> {
  const place = await Deno.makeTempDir();
  await writeSmallModel(`${place}/model`);
  await writeQuestions(`${place}/data`, "calibration.jsonl", 24, 1);
  await writeQuestions(`${place}/data`, "heldout.jsonl", 24, 2);
  return place;
}

/** Runs a test in a workplace of its own. */
export function testIn(
  name: string,
  body: (place: string, t: Deno.TestContext) => Promise<void>,
  ignore = false,
): void {
  Deno.test({
    name,
    ignore,
    async fn(t) {
      const place = await makeWorkplace();
      try {
        await body(place, t);
      } finally {
        await Deno.remove(place, { recursive: true });
      }
    },
  });
}

function command(
  place: string,
  args: readonly string[],
  permissions: readonly string[] = ["-A"],
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, SEARCH, ...args],
    cwd: place,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** What a finished process left. */
export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function finished(
  { code, stdout, stderr }: Deno.CommandOutput,
): Finished {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Runs the program to its end. */
export async function run(
  place: string,
  args: readonly string[],
  permissions?: readonly string[],
): Promise<Finished> {
  return finished(await command(place, args, permissions).output());
}

/** Runs it, and expects no error. Returns its output. */
export async function succeed(
  place: string,
  args: readonly string[],
  permissions?: readonly string[],
): Promise<string> {
  const { code, out, err } = await run(place, args, permissions);
  assertEquals({ code, err }, { code: 0, err: "" });
  return out;
}

/** The text of a file there. */
export const read = (place: string, file: string): Promise<string> =>
  Deno.readTextFile(`${place}/${file}`);

/** Whether there is such a file. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** How many whole lines of trials a log holds, without its first line. */
export async function trialsIn(log: string): Promise<number> {
  return await exists(log)
    ? (await Deno.readTextFile(log)).split("\n").length - 2
    : 0;
}

/** Runs the program until the first trial is in a log, then presses Ctrl-C. */
export async function interrupt(
  place: string,
  args: readonly string[],
  log: string,
): Promise<Finished> {
  const child = command(place, args).spawn();
  const output = child.output();
  while (await trialsIn(log) < 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  child.kill("SIGINT");
  return finished(await output);
}

/** Processes that share a store, and are killed at random moments. */

import { assert, assertEquals } from "@std/assert";
import { filesIn, open, seeded, trialOf } from "./_store.ts";
import type { ChildOptions } from "./_store_child.ts";

const CHILD = new URL("_store_child.ts", import.meta.url).pathname;

/** What is done to the processes. */
export interface KillsOptions {
  /** The studies, one process for each; equal ones are one study. */
  readonly seeds: readonly number[];
  /** Trials of each study. */
  readonly trials: number;
  /** Kills at most. */
  readonly kills: number;
  /** In how many kills a process is instead given a disk that is soon full. */
  readonly fullDisks: number;
  /** Gives numbers in [0, 1). */
  readonly random: () => number;
}

/** What came of it. */
export interface KillsOutcome {
  /** Processes that SIGKILL ended. */
  readonly kills: number;
  /** Processes that a full disk ended. */
  readonly fullDisks: number;
  /** Trials of all studies. */
  readonly trials: number;
  /** Evaluations that were begun again, as the process was ended in them. */
  readonly repeated: number;
}

/** A process, as the shell starts it: with files of so many bytes at most. */
function start(options: ChildOptions, bytes: number | null): Deno.ChildProcess {
  const limit = bytes === null
    ? ""
    : `trap '' XFSZ; ulimit -f ${Math.ceil(bytes / 512)}; `;
  return new Deno.Command("sh", {
    args: [
      ...["-c", `${limit}exec "$@"`, "sh", Deno.execPath(), "run"],
      ...["-A", "--no-check", CHILD, JSON.stringify(options)],
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/**
 * Runs studies to their ends, one process for each at a time, which are killed
 * and started again; then checks that nothing was lost, evaluated twice without
 * need, or left behind.
 */
export async function runWithKills(
  folder: string,
  { seeds, trials, kills, fullDisks, random }: KillsOptions,
): Promise<KillsOutcome> {
  const path = `${folder}/out/trials.sqlite`;
  const log = `${folder}/evaluations.log`;
  /** Processes that ended before their study. */
  const ended = new Set<number>();
  const count = { kills: 0, fullDisks: 0 };

  const runOne = async (seed: number): Promise<void> => {
    while (true) {
      const isFull = count.fullDisks < fullDisks;
      const isKilled = !isFull && count.kills < kills;
      if (isFull) count.fullDisks++;
      if (isKilled) count.kills++;
      const child = start(
        { path, seed, trials, log },
        isFull ? await sizeOf(path) + Math.floor(random() * 1e5) : null,
      );
      const told = new Response(child.stderr).text();
      const reader = child.stdout.getReader();
      const { done } = await reader.read();
      if (isKilled && !done) {
        const delay = random() * 100;
        await new Promise((resolve) => setTimeout(resolve, delay));
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended.
        }
      }
      await reader.cancel();
      const { code, signal } = await child.status;
      const message = await told;
      if (code === 0) {
        if (isFull) count.fullDisks--;
        if (isKilled) count.kills--;
        return;
      }
      ended.add(child.pid);
      if (isFull) assert(/^Cannot \w+ .*\n$/.test(message), message);
      else assertEquals([signal, message], ["SIGKILL", ""]);
    }
  };
  await Promise.all(seeds.map(runOne));

  const studies = [...new Set(seeds)];
  const store = await open(path);
  for (const seed of studies) {
    const study = await store.study(seeded(seed));
    assertEquals(
      study.recorded,
      Array.from({ length: trials }, (_, i) => trialOf(1000 * seed + i)),
    );
    assertEquals(study.state, { after: trials - 1 });
  }
  await store.close();
  assertEquals(filesIn(`${folder}/out`), ["trials.sqlite"]);
  const repeated = checkRepeated(await Deno.readTextFile(log), ended);
  return { ...count, trials: studies.length * trials, repeated };
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}

/**
 * Checks that evaluations were begun again only where a process was ended in
 * them, and counts these.
 */
function checkRepeated(log: string, ended: ReadonlySet<number>): number {
  const begun = new Map<string, number>();
  const lastOf = new Map<number, string>();
  for (const line of log.trimEnd().split("\n")) {
    const [pid, ...trial] = line.split(" ");
    const key = trial.join(" ");
    begun.set(key, (begun.get(key) ?? 0) + 1);
    lastOf.set(Number(pid), key);
  }
  const excused = new Map<string, number>();
  for (const [pid, key] of lastOf) {
    if (ended.has(pid)) excused.set(key, (excused.get(key) ?? 0) + 1);
  }
  let repeated = 0;
  for (const [key, times] of begun) {
    repeated += times - 1;
    assert(times - 1 <= (excused.get(key) ?? 0), `trial ${key} was repeated`);
  }
  return repeated;
}

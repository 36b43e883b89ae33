/** What tests of the store share. */

import type { Evaluation, Trial } from "../search/mod.ts";
import {
  openStore,
  type StudyIdentity,
  type TrialStore,
} from "../store/mod.ts";

export const IDENTITY: StudyIdentity = {
  model: "m",
  questions: "q",
  search: "G-Search",
  options: { criterion: { kind: "loss", epsilon: 0.5 }, seed: 3 },
};

/** The identity with another seed. */
export function seeded(seed: number): StudyIdentity {
  return { ...IDENTITY, options: { ...IDENTITY.options, seed } };
}

/** A trial as G-Search records it; every number gives another one. */
export function trialOf(number: number): Trial {
  const keep = 400 - number % 400;
  return {
    layer: 3 + number % 29,
    keep,
    schedule: [576, 576, 576, ...Array(29).fill(keep)],
    verdict: number % 3 === 0 ? "fail" : "pass",
    samplesUsed: 100 + number % 1900,
    meanDrop: number / 7,
    remaining: 20_000 - number,
    seconds: 1 / (1 + number),
  };
}

export function trialsOf(count: number): Trial[] {
  return Array.from({ length: count }, (_, i) => trialOf(i));
}

/** An evaluation of so many samples, with generated tokens in some. */
export function evaluationOf(count: number, generated = false): Evaluation {
  return {
    samples: Array.from({ length: count }, (_, i) => ({
      index: count - 1 - i,
      correct: i % 3 === 0,
      loss: Math.abs(Math.sin(i)) / 3,
      ...generated && i % 2 === 0 && { generated: [i, 2 ** 32 - 1, 7] },
    })),
    total: count + 1,
  };
}

/** Runs `body` with the path of a store that is not there yet. */
export async function withPath(
  body: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/trials.sqlite`, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Opens a store as the tests do. */
export function open(path: string, timeout = 2000): Promise<TrialStore> {
  return openStore(path, { program: "1.2.3", timeout });
}

/** What lies in a folder. */
export function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Alters a store behind its back, as the program sqlite3 would. */
export async function alter(path: string, sql: string): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

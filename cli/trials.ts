/**
 * Trials of a search in the store: opened, taken over from the logs of earlier
 * versions, recorded, listed.
 */

import { isFile, parseJson, readText, writeAtomically } from "../io/mod.ts";
import { formatTable } from "../report/mod.ts";
import type { Evaluate, Evaluation } from "../search/mod.ts";
import {
  canonicalJson,
  openStore,
  type StoredStudy,
  type TrialStore,
} from "../store/mod.ts";
import { identityOf } from "../study/records.ts";
import type { Output } from "./output.ts";
import type { Setup } from "./setup.ts";
import { VERSION } from "./version.ts";

/** The file of a folder of results that has the trials. */
const storePath = (out: string): string => `${out}/trials.sqlite`;

/** Opens the store of a folder of results. */
export function openTrialStore(out: string): Promise<TrialStore> {
  return openStore(storePath(out), { program: VERSION });
}

/** A log of trials as earlier versions wrote it. */
export interface OldLog<Trial> {
  /** Its path. */
  readonly path: string;
  /** Its first line, where it is of this search. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Checks that the search can go on with its trials. */
  readonly check: (trials: readonly Trial[]) => void;
}

/** What is searched. */
export interface SearchToRecord<Trial> {
  /** The search. */
  readonly search: string;
  /** What it is told, in a few words. */
  readonly told: string;
  /** What tells it from the other searches of a named run. */
  readonly label: string;
  /** All that its trials depend on, besides model and questions. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where earlier versions had its trials. */
  readonly old: OldLog<Trial>;
}

/** A search's trials, those before and those to come. */
export interface Recording<Trial> {
  readonly recorded: readonly Trial[];
  /** The search after them; null where it is not known. */
  readonly state: unknown;
  readonly study: StoredStudy<Trial>;
  /** What errors call it. */
  readonly label: string;
}

/**
 * Opens the trials of a search, and waits while another process runs it. Where
 * there are none, those of an earlier version's log are taken over.
 *
 * @throws {RangeError} trials are not as they were recorded
 */
export async function openTrials<Trial>(
  { records, options: { out, study: name }, loaded, ...setup }: Setup,
  { search, told, label, options, old }: SearchToRecord<Trial>,
): Promise<Recording<Trial>> {
  const { calibration, signal, output: { say } } = setup;
  const identity = await identityOf(records, calibration, search, options);
  const study = await records.store.study<Trial>(identity, {
    ...name !== null && { name: `${name}/${label}` },
    description:
      `${search}, ${told}, ${loaded.name}, ${calibration.samples.length} questions`,
    onWait: ({ pid, since }) =>
      say(
        `  waits for process ${pid}, which has run this search since ${since}`,
      ),
    signal,
  });
  const path = storePath(out);
  const known = { study, label: `study ${study.number} of ${path}` };
  let { recorded, state } = study;
  let where = path;
  if (recorded.length === 0) {
    recorded = await readOldLog(old);
    if (recorded.length > 0) {
      await study.takeOver(recorded);
      where = old.path;
      state = null;
    }
  }
  if (recorded.length > 0) {
    say(`  goes on after trial ${recorded.length} in ${where}`);
  }
  return { ...known, recorded, state };
}

/** The trials of a log that is of this search; none where there is none. */
async function readOldLog<Trial>(
  { path, identity, check }: OldLog<Trial>,
): Promise<readonly Trial[]> {
  if (!await isFile(path)) return [];
  // A line that was cut off has no newline.
  const [head, ...lines] = (await readText(path)).split("\n").slice(0, -1);
  if (head === undefined || !isSame(head, identity)) return [];
  try {
    const trials = lines.map((line, i) =>
      parseJson(line, `line ${i + 2}`) as Trial
    );
    check(trials);
    return trials;
  } catch (error) {
    throw new RangeError(
      `Cannot take over ${path}: ${
        (error as Error).message
      }; remove it to begin anew`,
      { cause: error },
    );
  }
}

function isSame(line: string, identity: unknown): boolean {
  try {
    const found = JSON.parse(line);
    return canonicalJson(found, "") === canonicalJson(identity, "");
  } catch {
    return false;
  }
}

/** An evaluation function that remembers what it returned last. */
export interface Remembering {
  readonly evaluate: Evaluate;
  /** Null before the first call. */
  readonly last: () => Evaluation | null;
}

/** Makes one of another. */
export function remembering(evaluate: Evaluate): Remembering {
  let last: Evaluation | null = null;
  return {
    evaluate: async (...asked) => last = await evaluate(...asked),
    last: () => last,
  };
}

/** How a search is run to its end. */
export interface RunRecorded<Trial> {
  /** What the search asks. */
  readonly asked: Remembering;
  /** The search after its last trial, where it is worth keeping. */
  readonly state?: () => unknown;
  /** Tells the user of a trial. */
  readonly show: (trial: Trial) => void;
}

/**
 * Runs a search to its end, and lets others run it. Each new trial is in the
 * store before it is shown.
 *
 * @returns the search's result
 */
export async function runRecorded<Trial, Result>(
  search: AsyncGenerator<Trial, Result, void>,
  { study, label }: Recording<Trial>,
  { asked, state, show }: RunRecorded<Trial>,
): Promise<Result> {
  try {
    while (true) {
      const step = await search.next();
      if (step.done) return step.value;
      const evaluation = asked.last();
      await study.append(step.value, {
        ...evaluation && { evaluation },
        ...state && { state: state() },
      });
      show(step.value);
    }
  } catch (error) {
    const { message } = error as Error;
    throw error instanceof RangeError && message.startsWith("Cannot resume")
      ? new RangeError(
        `Cannot go on with ${label}: ${message}; begin anew with another --out`,
        { cause: error },
      )
      : error;
  } finally {
    await study.release();
  }
}

/** `--list`: what the store of a folder of results has. */
export async function listStudies(
  out: string,
  name: string | null,
  output: Output,
): Promise<void> {
  await withStore("list", out, async (store) => {
    const studies = await store.list(name ?? undefined);
    output.draw(formatTable([
      ["study", "name", "trials", "begun", "run by"],
      ...studies.map(({ number, description, name, trials, ...rest }) => [
        `${number}  ${description}`,
        name ?? "",
        String(trials),
        rest.created.slice(0, 16).replace("T", " "),
        rest.holder === null ? "" : `process ${rest.holder.pid}`,
      ]),
    ], output));
    output.result({ studies });
  });
}

/** `--export`: writes what the store has to a file of JSON Lines. */
export async function exportStudies(
  out: string,
  path: string,
  name: string | null,
): Promise<void> {
  await withStore("export", out, async (store) => {
    let text = "";
    for await (const line of store.exportLines(name ?? undefined)) text += line;
    await writeAtomically(path, text);
  });
}

async function withStore(
  action: string,
  out: string,
  use: (store: TrialStore) => Promise<void>,
): Promise<void> {
  const path = storePath(out);
  if (!await isFile(path)) {
    throw new Error(
      `Cannot ${action} the studies of ${out} as there is no file ${path}`,
    );
  }
  const store = await openTrialStore(out);
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

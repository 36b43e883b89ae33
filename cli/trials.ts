/**
 * The trials of a search in the store: opening them, importing the logs of
 * earlier versions, recording and listing.
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

/** The file with the trials in a folder of results. */
const storePath = (out: string): string => `${out}/trials.sqlite`;

/** Opens the store of a folder of results. */
export function openTrialStore(out: string): Promise<TrialStore> {
  return openStore(storePath(out), { program: VERSION });
}

/** A log of trials in the format of earlier versions. */
export interface OldLog<Trial> {
  /** The path of the log. */
  readonly path: string;
  /** The first line that the log has if it belongs to this search. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Checks that the search can resume from the log's trials. */
  readonly check: (trials: readonly Trial[]) => void;
}

/** A search whose trials are recorded. */
export interface SearchToRecord<Trial> {
  /** The name of the search. */
  readonly search: string;
  /** A short description of its options. */
  readonly told: string;
  /**
   * The part of its name that tells it from the other searches of a named run.
   */
  readonly label: string;
  /**
   * Everything that its trials depend on, besides the model and the questions.
   */
  readonly options: Readonly<Record<string, unknown>>;
  /** The log in which earlier versions kept its trials. */
  readonly old: OldLog<Trial>;
}

/** The trials of a search: those already recorded, and those to be recorded. */
export interface Recording<Trial> {
  readonly recorded: readonly Trial[];
  /**
   * The state of the search after the recorded trials; null if it is not known.
   */
  readonly state: unknown;
  readonly study: StoredStudy<Trial>;
  /** The name of the trials in error messages. */
  readonly label: string;
}

/**
 * Opens the trials of a search, and waits while another process runs it. If no
 * trials are recorded, those in the log of an earlier version are imported.
 *
 * @throws {RangeError} the trials have changed since they were recorded
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

/** The trials of the log if it belongs to this search, otherwise none. */
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

/** An evaluation function that remembers its last result. */
export interface Remembering {
  readonly evaluate: Evaluate;
  /** The last result; null before the first call. */
  readonly last: () => Evaluation | null;
}

/** Makes an evaluation function remember its last result. */
export function remembering(evaluate: Evaluate): Remembering {
  let last: Evaluation | null = null;
  return {
    evaluate: async (...asked) => last = await evaluate(...asked),
    last: () => last,
  };
}

/** The functions that a recorded search runs with. */
export interface RunRecorded<Trial> {
  /** The evaluation function of the search. */
  readonly asked: Remembering;
  /**
   * The state of the search after its last trial, if the state is worth
   * keeping.
   */
  readonly state?: () => unknown;
  /** Shows a trial to the user. */
  readonly show: (trial: Trial) => void;
}

/**
 * Runs a search to its end, then releases it to other processes. Each new trial
 * is stored before it is shown.
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

/** `--list`: prints the studies in the store of a folder of results. */
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

/** `--export`: writes the contents of the store to a file of JSON Lines. */
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

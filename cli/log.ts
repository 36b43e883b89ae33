/**
 * search.jsonl and the like: what was searched in the first line, one trial in
 * each line after it. What makes an interrupted search go on where it stood.
 */

import {
  appendJsonLine,
  isFile,
  readText,
  writeAtomically,
} from "../io/mod.ts";

/** Everything that the trials depend on, whatever the search. */
export interface SearchIdentity {
  /** The model's name. */
  readonly model: string;
  /** First layer that may be reduced. */
  readonly firstLayer: number;
  /** How vision tokens are ranked. */
  readonly ranking: string;
  /** What becomes of the position ids of those that stay. */
  readonly positions: string;
  /** Calibration questions. */
  readonly samples: number;
  /**
   * The full model's summed loss on them, in nats: a fingerprint of weights
   * and questions alike.
   */
  readonly fullLoss: number;
}

/** A log that is open for more trials. */
export interface TrialLog<T> {
  /** The file. */
  readonly path: string;
  /** Trials of the interrupted run, none when it was another search. */
  readonly recorded: readonly T[];
  /** Appends a trial. */
  append(trial: T): Promise<void>;
}

/**
 * Opens the log of a search. One that belongs to another search, or was cut
 * off in its first line, is begun anew; a last line that was cut off is dropped.
 * Trials of another search took hours perhaps, so they stay in a file beside it.
 *
 * @param identity with whatever else the trials depend on
 * @param tell tells the user of trials of another search
 * @throws {SyntaxError} a line in the middle is not JSON
 */
export async function openTrialLog<T>(
  path: string,
  identity: SearchIdentity,
  tell: (text: string) => void,
): Promise<TrialLog<T>> {
  const head = JSON.stringify(identity);
  const text = await isFile(path) ? await readText(path) : "";
  const [first, ...rest] = text.split("\n");
  // A complete line is followed by a newline, so the last piece is never one.
  const lines = first === head ? rest.slice(0, -1) : [];
  const recorded = lines.map((line, index) =>
    parseTrial<T>(line, `${path}, line ${index + 2}`)
  );
  if (first !== head && rest.length > 1) {
    const old = `${path}.old`;
    await writeAtomically(old, text);
    tell(`  begins anew: ${path} was of another search, now in ${old}`);
  }
  await writeAtomically(path, [head, ...lines, ""].join("\n"));
  return { path, recorded, append: (trial) => appendJsonLine(path, trial) };
}

/**
 * Runs a search to its end. Each new trial is in the log before it is shown.
 *
 * @param show tells the user of it
 * @returns the search's result
 */
export async function runLogged<T, R>(
  search: AsyncGenerator<T, R, void>,
  log: TrialLog<T>,
  show: (trial: T) => void,
): Promise<R> {
  while (true) {
    const step = await search.next().catch((error) => {
      throw explain(error, log.path);
    });
    if (step.done) return step.value;
    await log.append(step.value);
    show(step.value);
  }
}

/** Names the file whose trials a search cannot take up. */
function explain(error: unknown, path: string): unknown {
  const { message } = error as Error;
  return error instanceof RangeError && message.startsWith("Cannot resume")
    ? new RangeError(
      `Cannot go on with ${path}: ${message}. Remove it to begin anew`,
      { cause: error },
    )
    : error;
}

/** A trial's fields are checked by the search that takes it up. */
function parseTrial<T>(line: string, where: string): T {
  let trial: unknown;
  try {
    trial = JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${where} as it is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
  if (typeof trial !== "object" || trial === null) {
    throw new SyntaxError(`Cannot read ${where} as it is no trial: ${line}`);
  }
  return trial as T;
}

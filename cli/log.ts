/**
 * search.jsonl: what was searched in the first line, one trial in each line
 * after it. What makes an interrupted search go on where it stood.
 */

import {
  appendJsonLine,
  isFile,
  readText,
  writeAtomically,
} from "../io/mod.ts";
import type { Criterion, Trial } from "../search/mod.ts";

/** Everything that the trials depend on. */
export interface SearchIdentity {
  /** The model's name. */
  readonly model: string;
  /** When a trial passes. */
  readonly criterion: Criterion;
  /** First layer that may be reduced. */
  readonly firstLayer: number;
  /** How vision tokens are ranked. */
  readonly ranking: string;
  /** Calibration questions. */
  readonly samples: number;
  /**
   * The full model's summed loss on them, in nats: a fingerprint of weights
   * and questions alike.
   */
  readonly fullLoss: number;
}

/** A log that is open for more trials. */
export interface TrialLog {
  /** Trials of the interrupted run, none when it was another search. */
  readonly recorded: readonly Trial[];
  /** Appends a trial. */
  append(trial: Trial): Promise<void>;
}

/**
 * Opens the log of a search. One that belongs to another search, or was cut
 * off in its first line, is begun anew; a last line that was cut off is dropped.
 *
 * @throws {SyntaxError} a line in the middle is not JSON
 */
export async function openTrialLog(
  path: string,
  identity: SearchIdentity,
): Promise<TrialLog> {
  const head = JSON.stringify(identity);
  const [first, ...rest] = await isFile(path)
    ? (await readText(path)).split("\n")
    : [];
  // A complete line is followed by a newline, so the last piece is never one.
  const lines = first === head ? rest.slice(0, -1) : [];
  const recorded = lines.map((line, index) =>
    parseTrial(line, `${path}, line ${index + 2}`)
  );
  await writeAtomically(path, [head, ...lines, ""].join("\n"));
  return { recorded, append: (trial) => appendJsonLine(path, trial) };
}

/** A trial's fields are checked by the search that takes it up. */
function parseTrial(line: string, where: string): Trial {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(
      `Cannot read ${where} as it is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

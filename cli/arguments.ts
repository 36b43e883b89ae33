/**
 * What the command lines of both programs have in common: options that are
 * misspelt, and flags that are given a value.
 *
 * This module touches neither files nor the terminal.
 */

import { levenshteinDistance } from "./levenshtein_distance.ts";

/** What a user may want to read instead of running the program. */
export type Information = "help" | "version";

/** The names that options have. */
export interface OptionNames {
  /** Those with a value. */
  readonly strings: readonly string[];
  /** Those without. */
  readonly flags: readonly string[];
}

/** One letter for a flag. */
export const ALIASES = { help: "h" } as const;

/** What is wanted instead of the program, if anything. */
export function wantedInformation(
  values: Readonly<Record<Information, boolean>>,
): Information | null {
  return values.help ? "help" : values.version ? "version" : null;
}

/** Refuses `--json=0`, which would be taken for `--json`. */
export function refuseValues(
  args: readonly string[],
  { flags }: OptionNames,
): void {
  const end = args.indexOf("--");
  const names = [...flags.map((flag) => `--${flag}`), `-${ALIASES.help}`];
  for (const arg of end === -1 ? args : args.slice(0, end)) {
    const name = names.find((name) => arg.startsWith(`${name}=`));
    if (name !== undefined) {
      throw new RangeError(`Cannot use ${arg} as ${name} takes no value`);
    }
  }
}

/** Refuses an option that there is not, and names the one that may be meant. */
export function noSuchOption(
  arg: string,
  { strings, flags }: OptionNames,
): never {
  if (arg === "") {
    throw new RangeError(
      "Cannot use an empty value: the value of some option is missing",
    );
  }
  const nearest = nearestOption(arg, [...strings, ...flags]);
  throw new RangeError(
    `Cannot use ${arg} as there is no such option: ${
      nearest === null ? "" : `the nearest is --${nearest}, `
    }see --help`,
  );
}

/** The option that `arg` begins like, or differs from in every third letter at most. */
function nearestOption(arg: string, names: readonly string[]): string | null {
  const given = arg.replace(/^-+/, "").replace(/=.*/s, "").toLowerCase();
  if (given.length < 2) return null;
  const begins = names.filter((name) => name.startsWith(given));
  if (begins.length === 1) return begins[0];
  const distances = names.map((name): [string, number] => [
    name,
    levenshteinDistance(given, name),
  ]);
  const [name, distance] = distances.reduce((a, b) => b[1] < a[1] ? b : a);
  return distance <= Math.floor(Math.max(given.length, 3) / 3) ? name : null;
}

/**
 * The common part of both command lines: misspelt options, and flags that are
 * given a value.
 *
 * This module touches neither files nor the terminal.
 */

import { levenshteinDistance } from "./levenshtein_distance.ts";

/** The texts that a user may ask for instead of running the program. */
export type Information = "help" | "version";

/** The names of options. */
export interface OptionNames {
  /** Options with a value. */
  readonly strings: readonly string[];
  /** Options without a value. */
  readonly flags: readonly string[];
}

/** The one-letter names of flags. */
export const ALIASES = { help: "h" } as const;

/** The text that the user asks for instead of running the program, if any. */
export function wantedInformation(
  values: Readonly<Record<Information, boolean>>,
): Information | null {
  return values.help ? "help" : values.version ? "version" : null;
}

/** Refuses `--json=0`, which the parser would take for `--json`. */
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

/**
 * The error for an unknown option. It names the option that the user may have
 * meant.
 */
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

/**
 * The option that starts with `arg`, or that differs from it in at most every
 * third letter.
 */
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

/** The text of `--help` in terminals that are narrower than it. */

import type { Information } from "./arguments.ts";
import { VERSION } from "./version.ts";
import { displayWidth, wrapLine } from "../report/text.ts";

/** The text that is printed instead of running the program. */
export function informationText(
  wanted: Information,
  help: string,
  { columns }: { readonly columns: number },
): string {
  return wanted === "version" ? VERSION : fitHelp(help, columns);
}

/** The column where the description of an option begins. */
const OPTION_COLUMN = 23;

/** A paragraph, or the description of an option or a word. */
interface Entry {
  text: string;
  /** The column where its further lines begin. */
  readonly hanging: number;
}

/**
 * Rewraps a help text if one of its lines would not fit. Lines belong together
 * if they begin in the column where the text of the first one begins.
 */
export function fitHelp(help: string, columns: number): string {
  const lines = help.split("\n");
  if (lines.every((line) => displayWidth(line) <= columns)) return help;
  const entries: Entry[] = [];
  let goesOn = false;
  for (const line of lines) {
    const indent = line.length - line.trimStart().length;
    const hanging = hangingOf(line, indent);
    const last = entries.at(-1);
    const belongs = line !== "" && goesOn && last!.hanging === indent &&
      hanging === indent;
    if (belongs) last!.text += ` ${line.trimStart()}`;
    else entries.push({ text: line, hanging });
    goesOn = line !== "";
  }
  return entries.map(({ text, hanging }) => wrapLine(text, columns, hanging))
    .join("\n");
}

/**
 * The column where a line's text begins, behind the option or word that the
 * line describes.
 */
function hangingOf(line: string, indent: number): number {
  if (line.startsWith("  -") && indent === 2) return OPTION_COLUMN;
  const [term] = /^ {20,}\S+(?:,? \S+)* {2,}/.exec(line) ?? [""];
  return term === "" ? indent : term.length;
}

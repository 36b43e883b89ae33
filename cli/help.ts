/**
 * What `--help` prints, in terminals that are narrower than its text.
 */

import type { Information } from "./arguments.ts";
import { VERSION } from "./version.ts";
import { displayWidth, wrapLine } from "../report/text.ts";

/** What is printed instead of running the program. */
export function informationText(
  wanted: Information,
  help: string,
  { columns }: { readonly columns: number },
): string {
  return wanted === "version" ? VERSION : fitHelp(help, columns);
}

/** Where the text about an option begins. */
const OPTION_COLUMN = 23;

/** A paragraph, or what is said about an option or a word. */
interface Entry {
  text: string;
  /** Where further lines of it begin. */
  readonly hanging: number;
}

/**
 * Wraps a help text anew where a line would not fit. Lines belong together where
 * they begin in the column in which the text of the first one does.
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

/** Where the text of a line begins, behind the option or word that it is about. */
function hangingOf(line: string, indent: number): number {
  if (line.startsWith("  -") && indent === 2) return OPTION_COLUMN;
  const [term] = /^ {20,}\S+(?:,? \S+)* {2,}/.exec(line) ?? [""];
  return term === "" ? indent : term.length;
}

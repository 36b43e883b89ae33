/** Pieces of the page that the ablations print. */
// deno-lint-ignore-file no-console

import { markdownTable } from "../markdown.ts";

/** Prints a table, its head first; cells may be padded as for a terminal. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const cells = rows.map((row) => row.map((cell) => cell.trim()));
  console.log(`${markdownTable(cells)}\n`);
}

/** Prints a paragraph, as one line. */
export function printText(...sentences: readonly string[]): void {
  console.log(`${sentences.join(" ")}\n`);
}

/** What tests of documents share: the tables, numbers and code blocks of a page. */

import { assert, assertEquals } from "@std/assert";
import { readTestText } from "./_files.ts";

/** A page of docs/. */
export interface Page {
  /** All of it. */
  readonly text: string;
  /** The cells of the table under a header line, as they are written. */
  cells(header: RegExp): string[][];
  /** The same as numbers; a cell without one is NaN. */
  table(header: RegExp): number[][];
  /** A number that the text states, found by what stands before it. */
  stated(before: string): number;
  /** The only code block of a language, or the only one with a pattern. */
  block(language: string, pattern?: RegExp): string;
  /** All headings, without their marks. */
  headings(): string[];
}

/** Reads a page. */
export async function readPage(file: string): Promise<Page> {
  const text = await readTestText(`../docs/${file}`);
  const plain = text.replaceAll(/\s+/g, " ");
  const cells = (header: RegExp): string[][] => {
    const lines = text.split("\n");
    const first = lines.findIndex((line) => header.test(line)) + 2;
    assert(first >= 2, `no table ${header}`);
    const rest = lines.slice(first);
    const end = rest.findIndex((line) => !line.startsWith("|"));
    return rest.slice(0, end).map((line) =>
      line.split("|").slice(1, -1).map((cell) => cell.trim())
    );
  };
  return {
    text,
    cells,
    table: (header) => cells(header).map((row) => row.map(toNumber)),
    stated(before) {
      const parts = plain.split(before);
      assertEquals(parts.length, 2, `"${before}" stands there once`);
      const match = parts[1].match(/^[−+]?[\d.,]*\d/);
      assert(match, `no number after "${before}"`);
      return toNumber(match[0]);
    },
    block(language, pattern = /./) {
      const blocks = text.matchAll(
        new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"),
      );
      const found = [...blocks].map(([, code]) => code)
        .filter((code) => pattern.test(code));
      assertEquals(found.length, 1, `blocks of ${language} with ${pattern}`);
      return found[0];
    },
    headings: () =>
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading),
  };
}

/** "−1,280.5" as a number; NaN where there is none. */
function toNumber(text: string): number {
  return text === "" || text === "-"
    ? NaN
    : Number(text.replace("−", "-").replaceAll(",", ""));
}

/** The module that a block of TypeScript is. */
export async function importBlock<T>(code: string): Promise<T> {
  const bytes = new TextEncoder().encode(code);
  const base64 = btoa(String.fromCharCode(...bytes));
  return await import(`data:application/typescript;base64,${base64}`);
}

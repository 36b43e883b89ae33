/**
 * Terminal output of a search: tables, and schedules as bars. The functions
 * turn numbers into text and print nothing.
 *
 * This module is browser compatible.
 */

import type { Schedule } from "../search/mod.ts";
import { clipText, displayWidth, padText } from "./text.ts";

/** Width limit of a figure. */
export interface FigureOptions {
  /** Number of columns of the terminal or page. */
  readonly columns?: number;
}

/**
 * Spaces between the columns of a single table. The widest gap that fits is
 * used.
 */
const GAPS = [3, 2, 1];
/** Spaces between the columns where a table is split. */
const GAP = 2;

/**
 * Formats a table of aligned columns, the first left-aligned and the others
 * right-aligned. Columns that do not fit side by side move to further tables
 * below. Each table repeats the first column, which is cut if it leaves no room
 * for another.
 *
 * @param options Width limit; unlimited by default.
 *
 * @example
 * ```ts
 * import { formatTable } from "@tokensieve/tokensieve/report";
 *
 * console.log(formatTable([["run", "tokens"], ["full", "144"]]));
 * // run   tokens
 * // full     144
 * ```
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  { columns = Infinity }: FigureOptions = {},
): string {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column])))
  );
  const all = [...widths.keys()];
  const gap = GAPS.find((gap) => widthOf(all, widths, gap) <= columns);
  if (gap !== undefined) return formatColumns(rows, all, { widths, gap });
  const room = columns -
    Math.max(0, ...widths.slice(1).map((width) => GAP + width));
  const cut = widths.with(0, Math.min(widths[0], Math.max(1, room)));
  return groupColumns(cut, columns).map((group) =>
    formatColumns(rows, group, { widths: cut, gap: GAP })
  ).join("\n\n");
}

/** Formats one table of the given columns. */
function formatColumns(
  rows: readonly (readonly string[])[],
  group: readonly number[],
  { widths, gap }: { readonly widths: readonly number[]; readonly gap: number },
): string {
  return rows.map((row) =>
    group.map((column) => {
      const cell = clipText(row[column], widths[column], "…");
      return padText(cell, widths[column], column === 0 ? "end" : "start");
    }).join(" ".repeat(gap)).trimEnd()
  ).join("\n");
}

/** Splits the columns into as few tables as fit, of similar width. */
function groupColumns(widths: readonly number[], columns: number): number[][] {
  let groups = fillTables(widths, columns);
  for (let room = columns - 1; room > 0; room--) {
    const narrower = fillTables(widths, room);
    if (narrower.length > groups.length) break;
    groups = narrower;
  }
  return groups;
}

/**
 * Fills tables in order, each with the first column and as many others as fit.
 */
function fillTables(widths: readonly number[], columns: number): number[][] {
  const groups = [[0]];
  for (let column = 1; column < widths.length; column++) {
    const group = [...groups.at(-1)!, column];
    const fits = widthOf(group, widths, GAP) <= columns;
    if (fits || group.length === 2) groups[groups.length - 1] = group;
    else groups.push([0, column]);
  }
  return groups;
}

/** Width of a table of the given columns. */
function widthOf(
  group: readonly number[],
  widths: readonly number[],
  gap: number,
): number {
  return group.reduce((sum, column) => sum + widths[column], 0) +
    gap * (group.length - 1);
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/**
 * Draws a horizontal bar for a share in [0, 1], to an eighth of a character.
 */
export function formatBar(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  return "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

/** Largest width of a bar: one column for each percent. */
const MAX_BAR = 100;
/** Number of columns of a terminal of unknown width. */
const COLUMNS = 80;

/** Number of columns that a text leaves for a bar behind it. */
export function barWidth(
  before: string,
  { columns = COLUMNS }: FigureOptions = {},
): number {
  return Math.max(1, Math.min(MAX_BAR, columns - displayWidth(before)));
}

/**
 * Formats a schedule as one bar per layer, with keep counts and keeping rates.
 *
 * @param options Width limit; 80 columns by default.
 */
export function formatSchedule(
  { visionTokens, keep }: Schedule,
  options: FigureOptions = {},
): string {
  const digits = String(visionTokens).length;
  const layers = Math.max(2, String(keep.length - 1).length);
  return keep.map((count, layer) => {
    const share = visionTokens === 0 ? 1 : count / visionTokens;
    const before = `layer ${String(layer).padStart(layers)}  ${
      String(count).padStart(digits)
    }  ${(100 * share).toFixed(0).padStart(3)} %  `;
    return (before + formatBar(share, barWidth(before, options))).trimEnd();
  }).join("\n");
}

/** Formats a share as a percentage, such as "94.5 %". */
export function formatPercent(share: number, digits: number = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

const PREFIXES = ["", "k", "M", "G", "T", "P"];

/**
 * Formats a large number to three digits with its SI prefix, such as "1.35 G".
 */
export function formatCount(count: number): string {
  let prefix = 0;
  // A number that would round to 1000 becomes 1.00 of the next prefix.
  while (count >= 999.5 && prefix < PREFIXES.length - 1) {
    count /= 1000;
    prefix++;
  }
  return `${count.toPrecision(3)} ${PREFIXES[prefix]}`;
}

/** Formats a duration, such as "45 s" or "3 min 20 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60
    ? `${whole} s`
    : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Formats a difference in points with its interval: "-0.2 [-0.7, +0.3]". */
export function formatDifference(
  { difference, low, high }: { difference: number; low: number; high: number },
): string {
  const signed = (value: number): string => {
    const text = Math.abs(value).toFixed(1);
    return text === "0.0" ? text : `${value > 0 ? "+" : "-"}${text}`;
  };
  return `${signed(difference)} [${signed(low)}, ${signed(high)}]`;
}

/**
 * Formats the ratio of the full model's value to the reduced one, such as
 * "2.00x".
 */
export function formatRatio(full: number, reduced: number): string {
  return `${(full / reduced).toFixed(2)}x`;
}

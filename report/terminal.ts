/**
 * What a search looks like in a terminal: tables, and a schedule as bars.
 * Functions from numbers to text; nothing is printed here.
 *
 * This module is browser compatible.
 */

import type { Schedule } from "../search/mod.ts";
import { clipText, displayWidth, padText } from "./text.ts";

/** How wide a figure may be. */
export interface FigureOptions {
  /** Columns of the terminal, or of the page. */
  readonly columns?: number;
}

/** Spaces between the columns of a table, the wider the better. */
const GAPS = [3, 2, 1];
/** The same where there are several tables. */
const GAP = 2;

/**
 * Aligned columns, the first to the left, the others to the right. Columns that
 * do not fit beside each other come in several tables, one below the other, each
 * with the first column; a first column that leaves no room for others is cut.
 *
 * @param options how wide it may be; by default as wide as it needs
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

/** A table of some columns. */
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

/** Columns of as few tables as there is room for, alike in width. */
function groupColumns(widths: readonly number[], columns: number): number[][] {
  let groups = fillTables(widths, columns);
  for (let room = columns - 1; room > 0; room--) {
    const narrower = fillTables(widths, room);
    if (narrower.length > groups.length) break;
    groups = narrower;
  }
  return groups;
}

/** Columns of tables, each with the first column and as many more as fit. */
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

/** Width of a table of some columns. */
function widthOf(
  group: readonly number[],
  widths: readonly number[],
  gap: number,
): number {
  return group.reduce((sum, column) => sum + widths[column], 0) +
    gap * (group.length - 1);
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A horizontal bar for a share in [0, 1], to an eighth of a character. */
export function formatBar(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  return "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

/** A bar needs no more: a column for each percent. */
const MAX_BAR = 100;
/** Columns of a terminal whose width is not known. */
const COLUMNS = 80;

/** Columns that are left for a bar behind a text. */
export function barWidth(
  before: string,
  { columns = COLUMNS }: FigureOptions = {},
): number {
  return Math.max(1, Math.min(MAX_BAR, columns - displayWidth(before)));
}

/**
 * A schedule as one bar per layer, with keep counts and keeping rates.
 *
 * @param options how wide it may be; by default 80 columns
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

/** A share as a percentage, such as "94.5 %". */
export function formatPercent(share: number, digits: number = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

const PREFIXES = ["", "k", "M", "G", "T", "P"];

/** A large number in three digits with its SI prefix, such as "1.35 G". */
export function formatCount(count: number): string {
  let prefix = 0;
  // What would round to 1000 is 1.00 of the next prefix.
  while (count >= 999.5 && prefix < PREFIXES.length - 1) {
    count /= 1000;
    prefix++;
  }
  return `${count.toPrecision(3)} ${PREFIXES[prefix]}`;
}

/** A duration, such as "45 s" or "3 min 20 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60
    ? `${whole} s`
    : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A difference in points with its interval, such as "-0.2 [-0.7, +0.3]". */
export function formatDifference(
  { difference, low, high }: { difference: number; low: number; high: number },
): string {
  const signed = (value: number): string => {
    const text = Math.abs(value).toFixed(1);
    return text === "0.0" ? text : `${value > 0 ? "+" : "-"}${text}`;
  };
  return `${signed(difference)} [${signed(low)}, ${signed(high)}]`;
}

/** How many times less it is than the full model, such as "2.00x". */
export function formatRatio(full: number, reduced: number): string {
  return `${(full / reduced).toFixed(2)}x`;
}

/**
 * What a search looks like in a terminal: tables, and a schedule as bars.
 * Functions from numbers to text; nothing is printed here.
 *
 * This module is browser compatible.
 */

import type { Schedule } from "../search/mod.ts";

/**
 * Aligned columns, the first to the left, the others to the right.
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
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => row[column].length))
  );
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
    ).join("   ").trimEnd()
  ).join("\n");
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A horizontal bar for a share in [0, 1], to an eighth of a character. */
export function formatBar(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  return "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}

/** A schedule as one bar per layer, with keep counts and keeping rates. */
export function formatSchedule({ visionTokens, keep }: Schedule): string {
  const digits = String(visionTokens).length;
  return keep.map((count, layer) => {
    const share = visionTokens === 0 ? 1 : count / visionTokens;
    return `layer ${String(layer).padStart(2)}  ${
      String(count).padStart(digits)
    }  ${(100 * share).toFixed(0).padStart(3)} %  ${formatBar(share, 48)}`
      .trimEnd();
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

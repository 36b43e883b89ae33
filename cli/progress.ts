/**
 * What is told while work goes on: a status line that overwrites itself on a
 * terminal and stays silent elsewhere, so that logs hold results only, and what
 * memory a large model takes.
 */

import type { LoadedModel } from "../study/load.ts";
import {
  formatPlan,
  type MemoryPlan,
  type MemoryRoom,
} from "../study/memory_plan.ts";

/** Smaller models are loaded before anybody could read what they take. */
const LARGE = 1e9;

/** Tells on standard error what memory a large model will take. */
export function announcePlan(plan: MemoryPlan, room: MemoryRoom): void {
  if (plan.total < LARGE) return;
  write(`memory       ${formatPlan(plan, room)}\n`);
}

/** Tells on standard error which adapter "auto" passed over, and why. */
export function announceDevice(
  { passedOver }: Pick<LoadedModel, "passedOver">,
): void {
  if (passedOver !== null) write(`Runs on the CPU: ${passedOver}\n`);
}

/** The status line, on standard error. */
export interface StatusLine {
  /** Shows a text in place of the last one. */
  show(text: string): void;
  /** Removes it, before lines that stay are printed. */
  clear(): void;
}

/** A status line where standard error is a terminal, else nothing. */
export function createStatusLine(): StatusLine {
  if (!Deno.stderr.isTerminal()) return { show: () => {}, clear: () => {} };
  const CLEAR_LINE = "\r\x1b[2K";
  return {
    // Of a line that wraps only the last row could be cleared.
    show: (text) => write(CLEAR_LINE + text.slice(0, columns() - 1)),
    clear: () => write(CLEAR_LINE),
  };
}

/** Of the terminal, whose width may change at any time; 80 where unknown. */
function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

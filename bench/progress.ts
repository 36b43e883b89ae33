/** A status line on standard error. */

import type { Status } from "../study/mod.ts";

/** A line that overwrites itself on a terminal, and stays silent elsewhere. */
export function createStatusLine(): Status {
  if (!Deno.stderr.isTerminal()) return { show: () => {}, clear: () => {} };
  const write = (text: string): void => {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  };
  const CLEAR_LINE = "\r\x1b[2K";
  return {
    // A line that wraps could be cleared in its last row only.
    show: (text) => write(CLEAR_LINE + text.slice(0, 79)),
    clear: () => write(CLEAR_LINE),
  };
}

/**
 * A status line that overwrites itself on a terminal and stays silent
 * elsewhere, so that logs hold results only.
 */

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
  const write = (text: string): void => {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  };
  const CLEAR_LINE = "\r\x1b[2K";
  return {
    show: (text) => write(CLEAR_LINE + text),
    clear: () => write(CLEAR_LINE),
  };
}

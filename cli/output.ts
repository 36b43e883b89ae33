/**
 * Where a program writes. Made once and handed down: nothing else in cli/
 * touches standard output and standard error.
 *
 * Standard output has results alone. Those are lines for people, or with
 * `--json` lines of JSON; the lines for people then go to standard error, where
 * warnings and the status line always are.
 */

import { clipText, wrapText } from "../report/text.ts";

/** Standard output or standard error, or what stands for it in a test. */
export interface TerminalStream {
  /** Writes some of the bytes, and says how many. */
  writeSync(bytes: Uint8Array): number;
  /** Whether it is a terminal. */
  isTerminal(): boolean;
}

/**
 * A line on standard error that overwrites itself on a terminal, and stays
 * silent elsewhere, so that logs hold results only.
 */
export interface StatusLine {
  /** Shows a text in place of the last one. */
  show(text: string): void;
  /** Removes it, before lines that stay are printed. */
  clear(): void;
}

/** What a program writes to. */
export interface Output {
  /** Columns that lines for people may have. */
  readonly columns: number;
  /**
   * Whether lines for people may have colours: on a terminal that knows them, or
   * as NO_COLOR and FORCE_COLOR say where they are not empty.
   */
  readonly colors: boolean;
  /** Whether somebody looks on. */
  readonly isTerminal: boolean;
  /** Sentences for people; long lines are wrapped. */
  say(text: string): void;
  /** Lines for people that are laid out already, such as a table. */
  draw(text: string): void;
  /** A piece of a line for people, as it comes. */
  write(text: string): void;
  /** A line of JSON for programs; nothing without `--json`. */
  result(value: unknown): void;
  /** A line on standard error, whatever the options. */
  note(text: string): void;
  /** The same for a result that is not worth what it seems. */
  warn(sentence: string): void;
  /** Tells how far work is. */
  readonly status: StatusLine;
}

/**
 * The reader of standard output has gone, as `head` does when it has its lines:
 * nobody wants the rest.
 */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** What an output needs to know. */
export interface OutputOptions {
  /** Whether standard output is for programs. */
  readonly json?: boolean;
  /** Standard output. */
  readonly stdout?: TerminalStream;
  /** Standard error. */
  readonly stderr?: TerminalStream;
  /** Gives a variable of the environment, where it is set and may be seen. */
  readonly variable?: (name: string) => string | undefined;
}

/** Narrower terminals are written to as if they had so many columns. */
const MIN_COLUMNS = 40;
/** Columns where nothing is known. */
const COLUMNS = 80;

/**
 * Opens standard output and standard error. Every write to the former throws
 * where it fails: an {@linkcode OutputClosedError} where the reader has gone,
 * else a sentence. What cannot be written to the latter is left out, as results
 * do not depend on it.
 */
export function createOutput(
  {
    json = false,
    stdout = Deno.stdout,
    stderr = Deno.stderr,
    variable = environment,
  }: OutputOptions = {},
): Output {
  const results = (text: string): void => writeResults(stdout, text);
  const notes = (text: string): void => {
    try {
      writeAll(stderr, text);
    } catch {
      // There is nowhere left to tell it.
    }
  };
  const [people, write] = json ? [stderr, notes] : [stdout, results];
  const draw = (text: string): void => write(text + "\n");
  const columns = (): number => columnsOf(people, variable("COLUMNS"));
  const isDumb = variable("TERM") === "dumb";
  // In a file, a sentence stays on its line.
  const note = (text: string): void =>
    notes(
      (stderr.isTerminal()
        ? wrapText(text, columnsOf(stderr, variable("COLUMNS")))
        : text) + "\n",
    );
  return {
    get columns() {
      return columns();
    },
    colors: variable("NO_COLOR")
      ? false
      : variable("FORCE_COLOR")
      ? variable("FORCE_COLOR") !== "0"
      : people.isTerminal() && !isDumb,
    isTerminal: people.isTerminal(),
    say(text) {
      draw(wrapText(text, columns()));
    },
    draw,
    write,
    result(value) {
      if (json) results(JSON.stringify(value) + "\n");
    },
    note,
    warn(sentence) {
      note(`Warning: ${sentence}`);
    },
    status: stderr.isTerminal() && !isDumb
      ? createStatusLine(notes)
      : { show: () => {}, clear: () => {} },
  };
}

/**
 * Says why a program ends, and what its exit code is: 0 where nobody reads on,
 * else 2.
 */
export function explainEnd(error: unknown, { note }: Output): number {
  if (error instanceof OutputClosedError) return 0;
  note((error as Error).message);
  return 2;
}

function createStatusLine(write: (text: string) => void): StatusLine {
  const CLEAR_LINE = "\r\x1b[2K";
  return {
    // Of a line that wraps only the last row could be cleared.
    show: (text) => write(CLEAR_LINE + clipText(text, terminalColumns() - 1)),
    clear: () => write(CLEAR_LINE),
  };
}

function writeResults(stdout: TerminalStream, text: string): void {
  try {
    writeAll(stdout, text);
  } catch (error) {
    if (
      error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset
    ) {
      throw new OutputClosedError("Cannot write as nobody reads", {
        cause: error,
      });
    }
    throw new Error(
      `Cannot write to standard output as ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Milliseconds between two attempts to write where there is no room yet. */
const PATIENCE = 5;

/** Writes all of a text, however little a pipe takes at a time. */
function writeAll(stream: TerminalStream, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(stream.writeSync(bytes));
    } catch (error) {
      // Whoever made the pipe may have asked that writers need not wait.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE);
    }
  }
}

/** As COLUMNS says, else as the terminal does. */
function columnsOf(stream: TerminalStream, variable?: string): number {
  const told = Number(variable);
  const columns = Number.isSafeInteger(told) && told > 0
    ? told
    : stream.isTerminal()
    ? terminalColumns()
    : COLUMNS;
  return Math.max(MIN_COLUMNS, columns);
}

/** Of the terminal, whose width may change at any time. */
function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS;
  } catch {
    return COLUMNS;
  }
}

/** A variable, where the program may see it: it is not worth a question. */
function environment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

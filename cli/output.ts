/**
 * The output of a program. It is created once and passed down: nothing else in
 * cli/ touches standard output and standard error.
 *
 * Standard output holds only results: lines for people, or lines of JSON with
 * `--json`. In the latter case the lines for people go to standard error, where
 * warnings and the status line always are.
 */

import { clipText, wrapText } from "../report/text.ts";

/** Standard output, standard error, or a substitute in a test. */
export interface TerminalStream {
  /** Writes some of the bytes, and returns how many. */
  writeSync(bytes: Uint8Array): number;
  /** Whether the stream is a terminal. */
  isTerminal(): boolean;
}

/**
 * A status line on standard error that overwrites itself. It appears only on a
 * terminal, so that logs hold only results.
 */
export interface StatusLine {
  /** Shows a text in place of the last one. */
  show(text: string): void;
  /** Removes the text, before lines that stay are printed. */
  clear(): void;
}

/** The output of a program. */
export interface Output {
  /** The width of lines for people, in columns. */
  readonly columns: number;
  /**
   * Whether lines for people may have colours. NO_COLOR and FORCE_COLOR decide
   * if they are not empty, otherwise the terminal's support does.
   */
  readonly colors: boolean;
  /** Whether the output goes to a terminal that a person may watch. */
  readonly isTerminal: boolean;
  /** Prints sentences for people. Long lines are wrapped. */
  say(text: string): void;
  /** Prints lines for people that are laid out already, such as a table. */
  draw(text: string): void;
  /** Prints a piece of a line for people as it arrives. */
  write(text: string): void;
  /** Prints a line of JSON for programs. Without `--json` it prints nothing. */
  result(value: unknown): void;
  /** Prints a line on standard error, whatever the options. */
  note(text: string): void;
  /**
   * Prints a warning on standard error that a result is worth less than it
   * seems.
   */
  warn(sentence: string): void;
  /** Shows the progress of work. */
  readonly status: StatusLine;
}

/**
 * The reader of standard output has gone, as `head` does after its last line.
 * Nobody wants the rest.
 */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** The options of an output. */
export interface OutputOptions {
  /** Whether standard output is read by programs. */
  readonly json?: boolean;
  /** Standard output. */
  readonly stdout?: TerminalStream;
  /** Standard error. */
  readonly stderr?: TerminalStream;
  /** Returns an environment variable if it is set and may be read. */
  readonly variable?: (name: string) => string | undefined;
}

/** Output for narrower terminals is laid out for this many columns. */
const MIN_COLUMNS = 40;
/** The number of columns if the terminal does not tell. */
const COLUMNS = 80;

/**
 * Opens standard output and standard error. A failed write to standard output
 * throws: an {@linkcode OutputClosedError} if the reader has gone, otherwise an
 * error with one sentence. A failed write to standard error is ignored, because
 * results do not depend on it.
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
      // No stream is left to report the error to.
    }
  };
  const [people, write] = json ? [stderr, notes] : [stdout, results];
  const draw = (text: string): void => write(text + "\n");
  const columns = (): number => columnsOf(people, variable("COLUMNS"));
  const isDumb = variable("TERM") === "dumb";
  // In a file, a sentence stays on one line.
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
 * Explains why a program ends, and returns its exit code: 0 if the reader has
 * gone, otherwise 2.
 */
export function explainEnd(error: unknown, { note }: Output): number {
  if (error instanceof OutputClosedError) return 0;
  note((error as Error).message);
  return 2;
}

function createStatusLine(write: (text: string) => void): StatusLine {
  const CLEAR_LINE = "\r\x1b[2K";
  return {
    // If a line wrapped, only its last row could be cleared.
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

/** Milliseconds between two attempts to write to a full pipe. */
const PATIENCE = 5;

/** Writes a whole text, however little a pipe takes at a time. */
function writeAll(stream: TerminalStream, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(stream.writeSync(bytes));
    } catch (error) {
      // The creator of the pipe may have made it non-blocking.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE);
    }
  }
}

/** The width that COLUMNS states, otherwise the terminal's. */
function columnsOf(stream: TerminalStream, variable?: string): number {
  const told = Number(variable);
  const columns = Number.isSafeInteger(told) && told > 0
    ? told
    : stream.isTerminal()
    ? terminalColumns()
    : COLUMNS;
  return Math.max(MIN_COLUMNS, columns);
}

/** The width of the terminal, read anew each time because it may change. */
function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS;
  } catch {
    return COLUMNS;
  }
}

/**
 * An environment variable that the program may already read. A permission
 * prompt would not be worth it.
 */
function environment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

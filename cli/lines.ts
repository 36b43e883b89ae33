/**
 * Questions from standard input.
 */

import type { Output } from "./output.ts";

/** The prompt before the cursor of an interactive terminal. */
const PROMPT = "> ";

/** Yields the lines of standard input that are not blank, as they arrive. */
export async function* readQuestions(
  { isTerminal, write }: Output,
): AsyncGenerator<string, void, void> {
  const typed = Deno.stdin.isTerminal() && isTerminal;
  const ask = (): void => {
    if (typed) write(PROMPT);
  };
  let rest = "";
  ask();
  const chunks = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.trim() !== "") yield line.trim();
      ask();
    }
  }
  if (rest.trim() !== "") yield rest.trim();
}

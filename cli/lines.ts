/**
 * Questions from standard input.
 */

/** What stands before the cursor where somebody types. */
const PROMPT = "> ";

/** Lines of standard input that are not blank, as they come. */
export async function* readQuestions(): AsyncGenerator<string, void, void> {
  const typed = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const ask = (): void => {
    if (typed) Deno.stdout.writeSync(new TextEncoder().encode(PROMPT));
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

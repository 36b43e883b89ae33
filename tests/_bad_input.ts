// Inputs that are refused, as tables: what is given, and the whole sentence that
// it gets.

import { assertEquals, assertRejects } from "@std/assert";

/** One input that is refused. */
export interface BadInput {
  /** What is wrong with it, the end of the test's name. */
  readonly given: string;
  /** What it is given to; a folder of its own may hold its files. */
  readonly to: (directory: string) => unknown;
  // deno-lint-ignore no-explicit-any -- as in @std/assert: any arguments do
  readonly error: new (...args: any[]) => Error;
  /** The message, DIR standing for the folder. */
  readonly says: string;
  /** Where the system says it in other words. Default false. */
  readonly ignore?: boolean;
}

/** Tests that each of the inputs gets its sentence. */
export function testBadInputs(
  who: string,
  inputs: readonly BadInput[],
): void {
  for (const { given, to, error, says, ignore = false } of inputs) {
    Deno.test({
      name: `${who} refuses ${given}`,
      ignore,
      async fn() {
        const directory = await Deno.makeTempDir();
        try {
          const { message } = await assertRejects(
            async () => await to(directory),
            error,
          );
          assertEquals(message.replaceAll(directory, "DIR"), says);
        } finally {
          await Deno.remove(directory, { recursive: true });
        }
      },
    });
  }
}

/** Writes files, as text, as bytes, or as the JSON of anything else. */
export async function writeFiles(
  directory: string,
  files: Readonly<Record<string, unknown>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = `${directory}/${name}`;
    if (content instanceof Uint8Array) await Deno.writeFile(path, content);
    else {
      const isText = typeof content === "string";
      const text = isText ? content : JSON.stringify(content);
      await Deno.writeTextFile(path, text);
    }
  }
}

/** What `JSON.parse` has to say about a text. */
export function jsonError(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`It is JSON: ${text}`);
}

/**
 * `deno test` with this project's options and those that are given, and at its
 * end a line about the GPU tests that were left out, if any were:
 *
 *     deno task test [ARGUMENTS OF deno test...]
 */
// deno-lint-ignore-file no-console

import { closingLine, findWhyLeftOut, LEFT_OUT } from "./_adapter.ts";

/** Runs the tests, passes their output on, and answers the exit code. */
async function main(args: readonly string[]): Promise<number> {
  let leftOut: string | null;
  try {
    leftOut = await findWhyLeftOut();
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  const colors = Deno.stdout.isTerminal() && !Deno.noColor;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", "--parallel", ...args],
    env: colors ? { FORCE_COLOR: "1" } : {},
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let count = 0;
  let line = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    writeAll(bytes);
    const lines = (line + decoder.decode(bytes, { stream: true })).split("\n");
    line = lines.pop()!;
    count += lines.filter(tellsOfLeftOut).length;
  }
  const { code } = await child.status;
  if (leftOut !== null && count > 0) console.log(closingLine(count, leftOut));
  return code;
}

/** Whether a line of Deno's report says that a GPU test was ignored. */
function tellsOfLeftOut(line: string): boolean {
  const [, result] = line.split(`${LEFT_OUT} ... `);
  return result !== undefined && /\bignored\b/.test(result);
}

function writeAll(bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

Deno.exitCode = await main(Deno.args);

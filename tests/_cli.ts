// The programs at the root as a user meets them: processes with files around
// them.

import { assertEquals } from "@std/assert";

/** How to start a program. */
export interface RunOptions {
  /** Instead of all. */
  readonly permissions?: readonly string[];
  /** What stands on standard input. Default nothing. */
  readonly input?: string;
}

/** What a finished process left. */
export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A program, to be run in a folder. */
export interface Program {
  /** Prepares a process, by default without standard input. */
  command(
    place: string,
    args: readonly string[],
    permissions?: readonly string[],
    stdin?: "null" | "piped",
  ): Deno.Command;
  /** Runs it to its end. */
  run(
    place: string,
    args: readonly string[],
    options?: RunOptions,
  ): Promise<Finished>;
  /** The same, gives standard output, and fails where the program does. */
  succeed(
    place: string,
    args: readonly string[],
    options?: RunOptions,
  ): Promise<string>;
}

/**
 * Makes texts of what a process left, without the line that depends on the
 * machine: which adapter it passed over (see adapter_test.ts).
 */
export function finished(output: Deno.CommandOutput): Finished {
  const { err, ...rest } = decoded(output);
  return { ...rest, err: err.replace(/^Runs on the CPU: .*\n/, "") };
}

/** Makes texts of all that a process left. */
export function decoded(
  { code, stdout, stderr }: Deno.CommandOutput,
): Finished {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** A program by its file at the root. */
export function program(file: string): Program {
  const path = new URL(`../${file}`, import.meta.url).pathname;
  const command: Program["command"] = (
    place,
    args,
    permissions = ["-A"],
    stdin = "null",
  ) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...permissions, path, ...args],
      cwd: place,
      env: { NO_COLOR: "1" },
      stdin,
      stdout: "piped",
      stderr: "piped",
    });
  const run: Program["run"] = async (
    place,
    args,
    { permissions, input } = {},
  ) => {
    if (input === undefined) {
      return finished(await command(place, args, permissions).output());
    }
    const child = command(place, args, permissions, "piped").spawn();
    const writer = child.stdin.getWriter();
    // A program that is done need not have read it.
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
    return finished(await child.output());
  };
  return {
    command,
    run,
    async succeed(place, args, options): Promise<string> {
      const { code, out, err } = await run(place, args, options);
      assertEquals({ code, err }, { code: 0, err: "" });
      return out;
    },
  };
}

/** A function that runs tests, each in a folder of its own. */
export function testsIn(
  makePlace: () => Promise<string>,
): (
  name: string,
  body: (place: string, t: Deno.TestContext) => Promise<void>,
  ignore?: boolean,
) => void {
  return (name, body, ignore = false) =>
    Deno.test({
      name,
      ignore,
      async fn(t) {
        const place = await makePlace();
        try {
          await body(place, t);
        } finally {
          await Deno.remove(place, { recursive: true });
        }
      },
    });
}

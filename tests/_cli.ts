// The programs at the root as a user meets them: processes with files around
// them.

import { assert, assertEquals } from "@std/assert";
import { displayWidth } from "../report/text.ts";

/** How to start a program. */
export interface RunOptions {
  /** Instead of all. */
  readonly permissions?: readonly string[];
  /** Variables beside those that are set. Default no colours. */
  readonly env?: Readonly<Record<string, string>>;
  /** What a shell adds to the command, such as "> file". */
  readonly shell?: string;
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
    options?: RunOptions & { readonly stdin?: "null" | "piped" },
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
  /** The same with `--json`: what programs get, line by line, and people. */
  succeedJson(
    place: string,
    args: readonly string[],
    options?: RunOptions,
  ): Promise<{ readonly values: unknown[]; readonly told: string }>;
}

/**
 * Makes texts of what a process left, without the line that depends on the
 * machine: which adapter it passed over (see adapter_test.ts).
 */
export function finished(output: Deno.CommandOutput): Finished {
  const { err, ...rest } = decoded(output);
  return { ...rest, err: withoutAdapter(err) };
}

function withoutAdapter(err: string): string {
  return err.replace(/^Runs on the CPU: .*\n/, "");
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
    { permissions = ["-A"], env = { NO_COLOR: "1" }, shell, stdin = "null" } =
      {},
  ) => {
    const deno = Deno.execPath();
    const all = ["run", "--no-prompt", ...permissions, path, ...args];
    const [name, given] = shell === undefined
      ? [deno, all]
      : ["sh", ["-c", `exec "$@" ${shell}`, "sh", deno, ...all]];
    return new Deno.Command(name, {
      args: given,
      cwd: place,
      env: { ...env },
      stdin,
      stdout: "piped",
      stderr: "piped",
    });
  };
  const run: Program["run"] = async (
    place,
    args,
    options = {},
  ) => {
    const { input } = options;
    if (input === undefined) {
      return finished(await command(place, args, options).output());
    }
    const child = command(place, args, { ...options, stdin: "piped" }).spawn();
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
    async succeedJson(place, args, options) {
      const { code, out, err } = await run(
        place,
        [...args, "--json"],
        options,
      );
      assertEquals(code, 0, err);
      assert(out.endsWith("\n"));
      const values = out.slice(0, -1).split("\n").map((line) =>
        JSON.parse(line) as unknown
      );
      return { values, told: err };
    },
  };
}

/** Fails where a line takes more columns than there are. */
export function assertFits(text: string, columns: number): void {
  for (const line of text.split("\n")) {
    assert(displayWidth(line) <= columns, `${columns}: ${line}`);
  }
}

/**
 * Starts a program, reads until there is a text in its output, and goes, as
 * `head` does.
 */
export async function readUntil(
  child: Deno.ChildProcess,
  text: string,
): Promise<Finished> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let out = "";
  while (!out.includes(text)) {
    const { value, done } = await reader.read();
    assert(!done, out);
    out += value;
  }
  await reader.cancel();
  const err = withoutAdapter(await new Response(child.stderr).text());
  const { code } = await child.status;
  return { code, out, err };
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

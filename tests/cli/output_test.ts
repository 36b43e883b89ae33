// Where programs write: on a terminal, of which the test makes one, to a reader
// that goes, and to a disk that is full.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  createOutput,
  explainEnd,
  OutputClosedError,
  type TerminalStream,
} from "../../cli/output.ts";
import { leftText } from "../../cli/psigmoid.ts";

/** A stream that keeps what is written to it. */
function stream(
  { terminal = false, write = (bytes: Uint8Array) => bytes.length } = {},
): TerminalStream & { readonly text: string } {
  let text = "";
  return {
    get text() {
      return text;
    },
    isTerminal: () => terminal,
    writeSync(bytes) {
      const length = write(bytes);
      text += new TextDecoder().decode(bytes.subarray(0, length));
      return length;
    },
  };
}

/** A write that fails. */
function failing(error: Error): (bytes: Uint8Array) => number {
  return () => {
    throw error;
  };
}

/** Runs `body` with a terminal of a size that it tells. */
function onTerminal(
  consoleSize: () => { columns: number; rows: number },
  body: () => void,
): void {
  const original = { consoleSize: Deno.consoleSize };
  Object.assign(Deno, { consoleSize });
  try {
    body();
  } finally {
    Object.assign(Deno, original);
  }
}

/** Variables that are set. */
const among = (variables: Readonly<Record<string, string>>) => (name: string) =>
  variables[name];

Deno.test("createOutput() gives people standard output, and programs nothing, without --json", () => {
  const [stdout, stderr] = [stream(), stream()];
  const output = createOutput({ stdout, stderr });
  output.say("a sentence");
  output.draw("a  table");
  output.write("a piece");
  output.result({ n: 1 });
  output.note("a note");
  output.warn("it is late");
  output.status.show("trial 1");
  assertEquals(stdout.text, "a sentence\na  table\na piece");
  assertEquals(stderr.text, "a note\nWarning: it is late\n");
});

Deno.test("createOutput() gives programs standard output, and people standard error, with --json", () => {
  const [stdout, stderr] = [stream(), stream()];
  const output = createOutput({ json: true, stdout, stderr });
  output.say("a sentence");
  output.draw("a  table");
  output.write("a piece");
  output.result({ n: [1, 2] });
  output.result({ text: "two\nlines" });
  assertEquals(stdout.text, '{"n":[1,2]}\n{"text":"two\\nlines"}\n');
  assertEquals(stderr.text, "a sentence\na  table\na piece");
});

Deno.test("createOutput() is as wide as COLUMNS says, else as the terminal, else 80", () => {
  const size = (columns: number) => () => ({ columns, rows: 1 });
  const cases: [
    variables: Record<string, string>,
    terminal: boolean,
    consoleSize: () => { columns: number; rows: number },
    columns: number,
  ][] = [
    [{}, true, size(200), 200],
    [{}, true, size(60), 60],
    [{}, false, size(200), 80],
    [{ COLUMNS: "60" }, true, size(200), 60],
    [{ COLUMNS: "100" }, false, size(200), 100],
    // No number of columns.
    [{ COLUMNS: "0" }, true, size(60), 60],
    [{ COLUMNS: "-5" }, false, size(60), 80],
    [{ COLUMNS: "" }, true, size(60), 60],
    [{ COLUMNS: "wide" }, true, size(60), 60],
    [{ COLUMNS: "61.5" }, true, size(60), 60],
    // Narrower than any layout.
    [{}, true, size(10), 40],
    [{ COLUMNS: "1" }, false, size(60), 40],
    // A terminal that does not say.
    [{}, true, size(0), 80],
    [{}, true, () => {
      throw new Error("not a terminal");
    }, 80],
  ];
  for (const [variables, terminal, consoleSize, columns] of cases) {
    const variable = among(variables);
    onTerminal(consoleSize, () => {
      for (const json of [false, true]) {
        const people = stream({ terminal });
        const others = stream({ terminal: !terminal });
        const [stdout, stderr] = json ? [others, people] : [people, others];
        const output = createOutput({ json, stdout, stderr, variable });
        assertEquals(output.columns, columns, JSON.stringify(variables));
        assertEquals(output.isTerminal, terminal);
        output.say(`${"word ".repeat(50)}end`);
        const longest = Math.max(
          ...people.text.split("\n").map((line) => line.length),
        );
        assert(longest <= columns && longest > columns - 5, people.text);
      }
    });
  }
});

Deno.test("createOutput() wraps what it tells on standard error on a terminal alone", () => {
  const sentence = `${"word ".repeat(30)}end`;
  const variable = among({ COLUMNS: "60" });
  for (const terminal of [true, false]) {
    const stderr = stream({ terminal });
    const { warn } = createOutput({ stdout: stream(), stderr, variable });
    warn(sentence);
    const lines = stderr.text.trimEnd().split("\n");
    assertEquals(lines.length, terminal ? 3 : 1);
    assertEquals(lines.join(" "), `Warning: ${sentence}`);
  }
});

Deno.test("createOutput() has colours on terminals that know them, or as variables say", () => {
  const cases: [Record<string, string>, terminal: boolean, colors: boolean][] =
    [
      [{}, true, true],
      [{}, false, false],
      [{ TERM: "xterm" }, true, true],
      [{ TERM: "dumb" }, true, false],
      [{ NO_COLOR: "1" }, true, false],
      [{ NO_COLOR: "" }, true, true],
      [{ FORCE_COLOR: "1" }, false, true],
      [{ FORCE_COLOR: "1", TERM: "dumb" }, true, true],
      [{ FORCE_COLOR: "0" }, true, false],
      [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
    ];
  for (const [variables, terminal, colors] of cases) {
    const { colors: told } = createOutput({
      stdout: stream({ terminal }),
      stderr: stream(),
      variable: among(variables),
    });
    assertEquals(told, colors, JSON.stringify(variables));
  }
});

Deno.test("createOutput() ends a program whose reader has gone, with code 0 and no word", () => {
  for (
    const error of [
      new Deno.errors.BrokenPipe("Broken pipe (os error 32)"),
      new Deno.errors.ConnectionReset("Connection reset (os error 104)"),
    ]
  ) {
    const stdout = stream({ write: failing(error) });
    const stderr = stream();
    const output = createOutput({ stdout, stderr });
    const closed = assertThrows(() => output.say("more"), OutputClosedError);
    assertEquals(explainEnd(closed, output), 0);
    assertEquals(stderr.text, "");
    // Programs end as well as people.
    assertThrows(
      () => createOutput({ json: true, stdout, stderr }).result(1),
      OutputClosedError,
    );
  }
});

Deno.test("createOutput() names standard output where it cannot be written to", () => {
  const full = new Error("No space left on device (os error 28)");
  const stderr = stream();
  const output = createOutput({
    stdout: stream({ write: failing(full) }),
    stderr,
  });
  const error = assertThrows(() => output.draw("more"));
  assertEquals(explainEnd(error, output), 2);
  assertEquals(
    stderr.text,
    "Cannot write to standard output as No space left on device (os error 28)\n",
  );
});

Deno.test("createOutput() leaves out what standard error does not take", () => {
  const stdout = stream();
  const gone = new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  const stderr = stream({ terminal: true, write: failing(gone) });
  const output = createOutput({ json: true, stdout, stderr });
  output.say("to people");
  output.warn("to people");
  output.status.show("to people");
  output.result("kept");
  assertEquals(stdout.text, '"kept"\n');
  assertEquals(explainEnd(new Error("wrong"), output), 2);
});

Deno.test("createOutput() writes all where a pipe takes little, or nothing for now", () => {
  let calls = 0;
  const stdout = stream({
    write(bytes) {
      if (calls++ % 3 === 1) throw new Deno.errors.WouldBlock("try again");
      return Math.min(bytes.length, 2);
    },
  });
  createOutput({ stdout, stderr: stream() }).draw("some long words");
  assertEquals(stdout.text, "some long words\n");
  assertEquals(calls, 8 + 4);
});

/** What the status line writes to a terminal. */
function statusOn(
  consoleSize: () => { columns: number; rows: number },
  body: (status: ReturnType<typeof createOutput>["status"]) => void,
): string {
  const stderr = stream({ terminal: true });
  onTerminal(consoleSize, () => {
    const variable = among({});
    body(createOutput({ stdout: stream(), stderr, variable }).status);
  });
  return stderr.text;
}

Deno.test("the status line cuts what would wrap, as wide as the terminal is then", () => {
  let columns = 12;
  const written = statusOn(() => ({ columns, rows: 1 }), (status) => {
    status.show("0123456789abcdef");
    columns = 4;
    status.show("0123456789abcdef");
    status.show("no");
    status.show("名前");
    status.clear();
  });
  assertEquals(written.split("\r\x1b[2K"), [
    "",
    "0123456789a",
    "012",
    "no",
    "名",
    "",
  ]);
});

Deno.test("the status line takes 80 columns where none are known", () => {
  const unknown = [
    () => ({ columns: 0, rows: 0 }),
    (): never => {
      throw new Error("not a terminal");
    },
  ];
  for (const consoleSize of unknown) {
    const written = statusOn(
      consoleSize,
      (status) => status.show("x".repeat(100)),
    );
    assertEquals(written, "\r\x1b[2K" + "x".repeat(79));
  }
});

Deno.test("the status line is silent where escape codes are unknown", () => {
  const stderr = stream({ terminal: true });
  const variable = among({ TERM: "dumb" });
  const { status } = createOutput({ stdout: stream(), stderr, variable });
  status.show("trial 1");
  status.clear();
  assertEquals(stderr.text, "");
});

Deno.test("programs write by their output alone", async () => {
  const root = new URL("../../", import.meta.url);
  const files = [...Deno.readDirSync(new URL("cli/", root))]
    .map(({ name }) => `cli/${name}`).concat("ask.ts", "search.ts");
  const writing = await Promise.all(files.map(async (file) => {
    const text = await Deno.readTextFile(new URL(file, root));
    return /\bconsole\b|\bDeno\.std(out|err)\b/.test(text) ? [file] : [];
  }));
  assertEquals(writing.flat(), ["cli/output.ts"]);
});

Deno.test("leftText() tells the time left where 80 columns cut the schedule", () => {
  const schedule = Array(32).fill(576);
  const text = leftText({ schedule, remaining: 39 }, 10);
  const line = `  P-Sigmoid, trial 10; ${text}`.slice(0, 79);
  assert(line.includes("at most 39, 6 min 30 s;"), line);
});

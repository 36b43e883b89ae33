// The status line on a terminal, of which the test makes one.

import { assert, assertEquals } from "@std/assert";
import { createStatusLine } from "../cli/progress.ts";
import { leftText } from "../cli/psigmoid.ts";

/** What is written to a terminal whose size Deno is made to tell. */
function writtenTo(
  consoleSize: () => { columns: number; rows: number },
  body: () => void,
): string {
  const { stderr } = Deno;
  const original = { consoleSize: Deno.consoleSize };
  const { isTerminal, writeSync } = stderr;
  let written = "";
  Object.assign(Deno, { consoleSize });
  Object.assign(stderr, {
    isTerminal: () => true,
    writeSync(bytes: Uint8Array): number {
      written += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  try {
    body();
  } finally {
    Object.assign(Deno, original);
    Object.assign(stderr, { isTerminal, writeSync });
  }
  return written;
}

Deno.test("createStatusLine() cuts what would wrap, as wide as the terminal is then", () => {
  let columns = 12;
  const written = writtenTo(() => ({ columns, rows: 1 }), () => {
    const status = createStatusLine();
    status.show("0123456789abcdef");
    columns = 4;
    status.show("0123456789abcdef");
    status.show("no");
    status.clear();
  });
  assertEquals(written.split("\r\x1b[2K"), [
    "",
    "0123456789a",
    "012",
    "no",
    "",
  ]);
});

Deno.test("createStatusLine() takes 80 columns where none are known", () => {
  const unknown = [
    () => ({ columns: 0, rows: 0 }),
    (): never => {
      throw new Error("not a terminal");
    },
  ];
  for (const consoleSize of unknown) {
    const written = writtenTo(consoleSize, () => {
      createStatusLine().show("x".repeat(100));
    });
    assertEquals(written, "\r\x1b[2K" + "x".repeat(79));
  }
});

Deno.test("leftText() tells the time left where 80 columns cut the schedule", () => {
  const schedule = Array(32).fill(576);
  const text = leftText({ schedule, remaining: 39 }, 10);
  const line = `  P-Sigmoid, trial 10; ${text}`.slice(0, 79);
  assert(line.includes("at most 39, 6 min 30 s;"), line);
});

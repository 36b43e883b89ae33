import { assert, assertEquals } from "@std/assert";
import {
  formatBar,
  formatCount,
  formatDifference,
  formatPercent,
  formatSchedule,
  formatSeconds,
  formatTable,
} from "../../report/mod.ts";
import displayWidths from "../fixtures/display_width.json" with {
  type: "json",
};
import { clipText, displayWidth, wrapText } from "../../report/text.ts";

Deno.test("formatTable() aligns the first column left and the others right", () => {
  assertEquals(
    formatTable([
      ["run", "tokens", "x"],
      ["full model", "144", ""],
      ["a", "7", "1.25"],
    ]),
    [
      "run          tokens      x",
      "full model      144",
      "a                 7   1.25",
    ].join("\n"),
  );
});

Deno.test("formatBar() is exact to an eighth of a character", () => {
  assertEquals(formatBar(0, 10), "");
  assertEquals(formatBar(1, 10), "██████████");
  const eighths = Array.from({ length: 9 }, (_, i) => formatBar(i / 8, 1));
  assertEquals(eighths, ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"]);
  assertEquals(formatBar(0.3, 4), "█▎"); // 9.6 eighths
  assertEquals(formatBar(0.24, 4), "█"); // 7.7: rounds up to a whole one
});

Deno.test("formatSchedule() shows each layer's count, rate and bar", () => {
  assertEquals(
    formatSchedule({ visionTokens: 144, keep: [144, 72, 5, 0] }),
    [
      "layer  0  144  100 %  " + "█".repeat(58),
      "layer  1   72   50 %  " + "█".repeat(29),
      "layer  2    5    3 %  ██",
      "layer  3    0    0 %",
    ].join("\n"),
  );
});

Deno.test("formatSchedule() shows nothing lost where there was nothing", () => {
  assertEquals(
    formatSchedule({ visionTokens: 0, keep: [0] }),
    "layer  0  0  100 %  " + "█".repeat(60),
  );
});

Deno.test("formatSchedule() aligns layers of two digits", () => {
  const lines = formatSchedule({
    visionTokens: 8,
    keep: Array(11).fill(1),
  }).split("\n");
  assertEquals(lines[0], "layer  0  1   13 %  ███████▌");
  assertEquals(lines[10], "layer 10  1   13 %  ███████▌");
});

Deno.test("formatSchedule() fills the columns that there are, up to one for each percent", () => {
  const schedule = { visionTokens: 576, keep: [576, ...Array(31).fill(9)] };
  for (const [columns, width] of [[40, 40], [60, 60], [80, 80], [200, 122]]) {
    const [first] = formatSchedule(schedule, { columns }).split("\n");
    assertEquals(first.length, width);
    assertEquals(first, "layer  0  576  100 %  " + "█".repeat(width - 22));
  }
});

/** The table of Scenario I, with the widest cells that it has had. */
const COMPARISON = [
  ["", "accuracy", "difference", "keeping", "FLOPs", "KV cache", "time"],
  ["full model", "99.6 %", "", "1.000", "552 M", "1.24 MB", "10.7 ms"],
  [
    ...["  ranked at random", "86.9 %", "-12.7 [-14.2, -11.3]", "0.413"],
    ...["2.39x", "2.27x", "1.94x"],
  ],
];

Deno.test("formatTable() brings columns closer before it puts some below", () => {
  const lines = (columns: number) =>
    formatTable(COMPARISON, { columns }).split("\n");
  const wide = lines(200);
  assertEquals(wide.join("\n"), formatTable(COMPARISON));
  assertEquals(wide.map((line) => line.length), [91, 91, 91]);
  assertEquals(lines(86), [
    "                    accuracy            difference  keeping  FLOPs  KV cache     time",
    "full model            99.6 %                          1.000  552 M   1.24 MB  10.7 ms",
    "  ranked at random    86.9 %  -12.7 [-14.2, -11.3]    0.413  2.39x     2.27x    1.94x",
  ]);
  assertEquals(lines(80), [
    "                   accuracy           difference keeping FLOPs KV cache    time",
    "full model           99.6 %                        1.000 552 M  1.24 MB 10.7 ms",
    "  ranked at random   86.9 % -12.7 [-14.2, -11.3]   0.413 2.39x    2.27x   1.94x",
  ]);
  assertEquals(lines(60), [
    "                    accuracy            difference",
    "full model            99.6 %",
    "  ranked at random    86.9 %  -12.7 [-14.2, -11.3]",
    "",
    "                    keeping  FLOPs  KV cache     time",
    "full model            1.000  552 M   1.24 MB  10.7 ms",
    "  ranked at random    0.413  2.39x     2.27x    1.94x",
  ]);
});

Deno.test("formatTable() loses no cell and no width, however narrow", () => {
  for (let columns = 24; columns <= 100; columns++) {
    const table = formatTable(COMPARISON, { columns });
    for (const line of table.split("\n")) {
      assert(displayWidth(line) <= columns, `${columns}: ${line}`);
    }
    for (const cell of COMPARISON.flatMap(([_, ...cells]) => cells)) {
      assert(table.includes(cell), `${columns}: ${cell}`);
    }
  }
  assertEquals(formatTable([["a long name"]], { columns: 6 }), "a lon…");
});

Deno.test("formatTable() aligns columns of characters that are two wide", () => {
  assertEquals(
    formatTable([["名前", "数"], ["a", "144"]]),
    ["名前    数", "a      144"].join("\n"),
  );
});

Deno.test("displayWidth() is two for each character that Unicode calls wide", () => {
  const { wide } = displayWidths;
  const isWide = (code: number): boolean =>
    wide.some(([first, last]) => first <= code && code <= last);
  for (let code = 0x20; code <= 0x3ffff; code++) {
    const character = String.fromCodePoint(code);
    // Accents take no column of their own, and there is nothing to see of others.
    if (/[\p{M}\p{C}\p{Z}]/v.test(character)) continue;
    assertEquals(
      displayWidth(character),
      isWide(code) ? 2 : 1,
      `U+${code.toString(16)}`,
    );
  }
});

Deno.test("displayWidth() counts no accents, joiners and control codes", () => {
  assertEquals(displayWidth("e\u0301a"), 2);
  assertEquals(displayWidth("か\u3099"), 2);
  assertEquals(displayWidth("a\u200b\tb"), 2);
  assertEquals(displayWidth(""), 0);
});

Deno.test("clipText() cuts between characters and says so", () => {
  assertEquals(clipText("123456", 6), "123456");
  assertEquals(clipText("1234567", 6), "123456");
  assertEquals(clipText("1234567", 6, "…"), "12345…");
  // Half of a character is none.
  assertEquals(clipText("名前です", 5), "名前");
  assertEquals(clipText("😀😀", 3), "😀");
});

Deno.test("wrapText() breaks long lines below where their text begins", () => {
  assertEquals(
    wrapText("model        a b c d\nshort", 18),
    "model        a b c\n             d\nshort",
  );
  assertEquals(wrapText("one two three", 8), "one two\nthree");
  assertEquals(wrapText("  one two three", 9), "  one two\n    three");
  assertEquals(wrapText("a\n\nb\n", 3), "a\n\nb\n");
  // A path can be copied whole.
  assertEquals(wrapText("in /a/long/path ok", 6), "in\n/a/long/path\nok");
  assertEquals(wrapText("猫は何匹いますか", 7), "猫は何\n匹いま\nすか");
  assertEquals(wrapText("a 猫は 何匹", 8), "a 猫は\n何匹");
});

Deno.test("formatPercent() takes shares", () => {
  assertEquals(formatPercent(0.945), "94.5 %");
  assertEquals(formatPercent(1, 0), "100 %");
  assertEquals(formatPercent(0.12345, 2), "12.35 %");
});

Deno.test("formatCount() gives three digits and a prefix", () => {
  const shown: [number, string][] = [
    [0, "0.00 "],
    [7.5, "7.50 "],
    [999, "999 "],
    [999.6, "1.00 k"],
    [1000, "1.00 k"],
    [433191, "433 k"],
    [999499, "999 k"],
    [999501, "1.00 M"],
    [1.275e9, "1.27 G"],
    [8.62e12, "8.62 T"],
    [2.5e18, "2.50e+3 P"],
  ];
  for (const [count, text] of shown) assertEquals(formatCount(count), text);
});

Deno.test("formatSeconds() rounds before it splits off minutes", () => {
  assertEquals(formatSeconds(0.4), "0 s");
  assertEquals(formatSeconds(45.4), "45 s");
  assertEquals(formatSeconds(59.6), "1 min 0 s");
  assertEquals(formatSeconds(200), "3 min 20 s");
  assertEquals(formatSeconds(7265), "121 min 5 s");
});

Deno.test("formatDifference() signs what it shows, and shows no signed zero", () => {
  assertEquals(
    formatDifference({ difference: -0.2, low: -0.74, high: 0.3 }),
    "-0.2 [-0.7, +0.3]",
  );
  assertEquals(
    formatDifference({ difference: -0.04, low: -12.5, high: 0.04 }),
    "0.0 [-12.5, 0.0]",
  );
});

import { assertEquals } from "@std/assert";
import {
  formatBar,
  formatCount,
  formatDifference,
  formatPercent,
  formatSchedule,
  formatSeconds,
  formatTable,
} from "../report/mod.ts";

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
      "layer  0  144  100 %  " + "█".repeat(48),
      "layer  1   72   50 %  " + "█".repeat(24),
      "layer  2    5    3 %  █▋",
      "layer  3    0    0 %",
    ].join("\n"),
  );
});

Deno.test("formatSchedule() shows nothing lost where there was nothing", () => {
  assertEquals(
    formatSchedule({ visionTokens: 0, keep: [0] }),
    "layer  0  0  100 %  " + "█".repeat(48),
  );
});

Deno.test("formatSchedule() aligns layers of two digits", () => {
  const lines = formatSchedule({
    visionTokens: 8,
    keep: Array(11).fill(1),
  }).split("\n");
  assertEquals(lines[0], "layer  0  1   13 %  ██████");
  assertEquals(lines[10], "layer 10  1   13 %  ██████");
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

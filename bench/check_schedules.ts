/**
 * The loss of given schedules on one model: in accuracy, and in the probability of
 * the right answer, which G-Search's criterion `bound` limits. This compares two
 * models, or two ways to train one, with far less noise than the schedules that a
 * search finds.
 *
 *     deno task check:schedules --split validation --model DIR
 *     deno task check:schedules "144 144 144 40 26 14 8 4" "144 144 72 72 72 72 72 72"
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { fromKeepCounts, fullSchedule } from "../core/mod.ts";
import { accuracy, createEvaluatorPool } from "../eval/mod.ts";
import { formatPercent } from "../report/mod.ts";
import { pairedDifference } from "../search/mod.ts";
import { loadModel, loadQuestions } from "../study/mod.ts";
import { parseSplit } from "./arguments.ts";

/** Schedules of models/tiny, from the fourth layer on: one step, and falling. */
const SCHEDULES = [
  "144 144 144 72 72 72 72 72",
  "144 144 144 72 48 30 8 4",
  "144 144 144 36 36 36 36 36",
  "144 144 144 40 26 14 8 4",
  "144 144 144 24 24 24 24 24",
  "144 144 144 24 16 8 4 2",
];

const args = parseArgs(Deno.args, {
  string: ["_", "model", "heldout", "split"],
  default: { heldout: "3000", split: "heldout" },
});
const split = parseSplit(args.split);
const loaded = await loadModel(args.model ?? null, { device: "cpu" });
const { visionTokens, decoder: { layers } } = loaded.model.config;
const questions = await loadQuestions(
  loaded,
  { count: Number(args.heldout) },
  split,
  0,
);
using pool = createEvaluatorPool(loaded.source, navigator.hardwareConcurrency);
const evaluate = pool.createEvaluator(questions, { cache: false });

const full = await evaluate(fullSchedule(layers, visionTokens));
console.log(
  `full model: ${
    formatPercent(accuracy(full.samples), 2)
  } of ${args.heldout} ${split} questions; p is the right answer's probability, in per cent, with the standard error of its fall\n`,
);
const printRow = (...cells: string[]): void =>
  console.log(
    cells.map((cell, i) => cell.padStart([9, 7, 5][i] ?? 0)).join("  "),
  );
printRow("accuracy", "p falls", "+-", "schedule");
for (const text of args._.length > 0 ? args._.map(String) : SCHEDULES) {
  const keep = text.split(" ").map(Number);
  const reduced = await evaluate(fromKeepCounts(keep, visionTokens));
  const { mean, standardError } = pairedDifference(
    "probability",
    full,
    reduced,
  );
  printRow(
    formatPercent(accuracy(reduced.samples), 2),
    (-100 * mean).toFixed(2),
    (100 * standardError).toFixed(2),
    text,
  );
}

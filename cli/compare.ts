/** The table that compares schedules. */

import { formatTable } from "../report/mod.ts";
import type { ComparedRun } from "../study/compare.ts";
import { comparisonRows } from "../study/tables.ts";
import type { Output } from "./output.ts";

/**
 * Prints the table of all runs. Costs are ratios of the first run's cost to
 * each run's.
 */
export function printComparison(
  { say, draw, columns }: Output,
  runs: readonly ComparedRun[],
): void {
  const [full] = runs;
  say(
    `\nOn ${full.evaluation.total} held-out questions; difference from the full model in points, with its paired 95 % interval:`,
  );
  draw(formatTable(comparisonRows(runs), { columns }));
  say(
    "FLOPs, KV cache, time: the decoder's prefill of one question; 2.00x is half of it",
  );
}

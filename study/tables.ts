/** The cells of tables that compare runs, for a terminal and for documents. */

import { meanKeepingRate } from "../core/mod.ts";
import {
  formatCount,
  formatDifference,
  formatPercent,
  formatRatio,
} from "../report/mod.ts";
import type { BudgetRun, Unmet } from "./budgets.ts";
import type { ComparedRun } from "./compare.ts";

/**
 * The head of a table and a row for each run. Costs are ratios of the first
 * run's cost to each run's.
 */
export function comparisonRows(runs: readonly ComparedRun[]): string[][] {
  const [full] = runs;
  return [
    ["", "accuracy", "difference", "keeping", "FLOPs", "KV cache", "time"],
    ...runs.map((run) => [
      run.name,
      formatPercent(run.accuracy),
      run === full ? "" : formatDifference(run.difference),
      meanKeepingRate(run.schedule).toFixed(3),
      ...run === full
        ? [
          formatCount(full.flops),
          `${formatCount(full.kvBytes)}B`,
          `${full.milliseconds.toFixed(1)} ms`,
        ]
        : [
          formatRatio(full.flops, run.flops),
          formatRatio(full.kvBytes, run.kvBytes),
          formatRatio(full.milliseconds, run.milliseconds),
        ],
    ]),
  ];
}

/** The cells of a budget's table, with the head first. */
export function budgetRows(runs: readonly BudgetRun[]): string[][] {
  const head = "accuracy,difference,keeping,FLOPs,KV cache,prefill,decode";
  return [
    ["", ...head.split(",")],
    ...runs.map((run) => [
      run.name,
      formatPercent(run.accuracy, 2),
      run === runs[0] ? "" : formatDifference(run.difference),
      meanKeepingRate(run.schedule).toFixed(3),
      formatCount(run.flops),
      `${formatCount(run.kvBytes)}B`,
      `${run.milliseconds.toFixed(2)} ms`,
      `${run.decodeMilliseconds.toFixed(2)} ms`,
    ]),
  ];
}

/**
 * The methods and their smallest costs, such as "PyramidDrop (0.250 at least)".
 */
export function unmetText(unmet: readonly Unmet[]): string {
  return unmet.map(({ name, share }) =>
    `${name} (${share.toFixed(3)} at least)`
  ).join(", ");
}

/**
 * What came of one budget in Scenario II: its table, and the same for programs.
 */

import { meanKeepingRate } from "../core/mod.ts";
import {
  formatCount,
  formatDifference,
  formatPercent,
  formatTable,
} from "../report/mod.ts";
import { type BudgetChoice, budgetTitle } from "./budgets.ts";
import type { ComparedRun } from "./compare.ts";
import type { Output } from "./output.ts";

/** A run at a budget; differences are from P-Sigmoid. */
export interface BudgetRun extends ComparedRun {
  /** Measured decoding, per token. */
  readonly decodeMilliseconds: number;
}

/** A method that cannot meet a budget. */
export interface Unmet {
  readonly name: string;
  /** What its least schedule costs, in the unit of the budget's share. */
  readonly share: number;
}

/** What came of a budget. */
export interface BudgetOutcome {
  readonly choice: BudgetChoice;
  /**
   * P-Sigmoid first, the full model last; empty where P-Sigmoid cannot meet the
   * budget.
   */
  readonly runs: readonly BudgetRun[];
  /** Methods that cannot meet it. */
  readonly unmet: readonly Unmet[];
}

/** The table's cells, its head first. */
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

/** Names and least costs, such as "PyramidDrop (0.250 at least)". */
export function unmetText(unmet: readonly Unmet[]): string {
  return unmet.map(({ name, share }) =>
    `${name} (${share.toFixed(3)} at least)`
  ).join(", ");
}

/** The table of a budget, and who cannot meet it. */
export function printBudget(
  { say, draw, columns }: Output,
  { choice, runs, unmet }: BudgetOutcome,
): void {
  say(
    `\nAt ${budgetTitle(choice)}, on ${
      runs[0].evaluation.total
    } held-out questions; difference from P-Sigmoid in points, with its paired 95 % interval:`,
  );
  draw(formatTable(budgetRows(runs), { columns }));
  say(
    "FLOPs, KV cache, prefill: the decoder's, of one question; decode: per token",
  );
  if (unmet.length > 0) say(`Cannot meet it: ${unmetText(unmet)}`);
}

/** The table for programs. */
export function budgetJson(
  { choice, runs, unmet }: BudgetOutcome,
): Record<string, unknown> {
  return {
    budget: choice,
    runs: runs.map((run) => ({
      name: run.name.trim(),
      keep: run.schedule.keep,
      ranking: run.ranking,
      positions: run.positions,
      accuracy: run.accuracy,
      // of the paired difference from P-Sigmoid, in points
      difference: run.difference.difference,
      interval: [run.difference.low, run.difference.high],
      meanKeepingRate: meanKeepingRate(run.schedule),
      flops: run.flops,
      kvBytes: run.kvBytes,
      prefillMilliseconds: run.milliseconds,
      decodeMilliseconds: run.decodeMilliseconds,
    })),
    unmet: unmet.map(({ name, share }) => ({ name, leastShare: share })),
  };
}

/**
 * The table of one budget in Scenario II.
 */

import { formatTable } from "../report/mod.ts";
import type { BudgetOutcome } from "../study/budgets.ts";
import { budgetRows, unmetText } from "../study/tables.ts";
import { budgetTitle } from "./budgets.ts";
import type { Output } from "./output.ts";

/** Prints the table of one budget, and the methods that cannot meet it. */
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

/**
 * `--budget` and `--baselines`: what a schedule may cost in Scenario II, and
 * the methods that P-Sigmoid is compared with there.
 */

import type { BaselineMethod } from "../search/mod.ts";
import type { BudgetChoice } from "../study/budgets.ts";
import { wrong } from "./values.ts";

/** Reads budgets such as "0.40,0.27,flops:0.5". */
export function parseBudgets(name: string, value: string): BudgetChoice[] {
  const choices = value.split(",").map((item) => {
    const [, kind, share] = /^(?:(flops|kv):)?([\d.]+)$/.exec(item) ?? [];
    if (!(Number(share) > 0 && Number(share) < 1)) {
      throw wrong(
        name,
        "shares between 0 and 1, such as 0.27, flops:0.5 or kv:0.4, with commas between",
        value,
      );
    }
    return { kind: kind ?? "rate", share: Number(share) } as BudgetChoice;
  });
  // Each budget counts once, however often and in whatever spelling it was
  // given.
  return [...new Map(choices.map((c) => [budgetLabel(c), c])).values()];
}

/**
 * The part of a file name that stands for a budget, such as "0.27" or
 * "flops-0.5".
 */
export function budgetLabel({ kind, share }: BudgetChoice): string {
  return kind === "rate" ? `${share}` : `${kind}-${share}`;
}

/** The heading of a budget, such as "mean keeping rate 0.27". */
export function budgetTitle({ kind, share }: BudgetChoice): string {
  switch (kind) {
    case "rate":
      return `mean keeping rate ${share}`;
    case "flops":
      return `${share} of the full model's prefill FLOPs`;
    case "kv":
      return `${share} of the full model's KV cache`;
  }
}

/**
 * Reads "all", "none", or names separated by commas.
 *
 * @param known the methods for which the statistics or schedules are available
 */
export function parseBaselines(
  name: string,
  value: string,
  known: readonly BaselineMethod[],
): BaselineMethod[] {
  if (value === "all") return [...known];
  if (value === "none") return [];
  return value.split(",").map((item) => {
    const method = known.find((method) => method === item);
    if (method === undefined) {
      throw wrong(name, `all, none or some of ${known.join(", ")}`, value);
    }
    return method;
  });
}

/**
 * `--budget` and `--baselines`: what a schedule may cost in Scenario II, and
 * what P-Sigmoid is compared with there.
 */

import type { ModelConfig } from "../core/mod.ts";
import { fullSchedule } from "../core/mod.ts";
import {
  BASELINE_METHODS,
  type BaselineMethod,
  type Budget,
  costOf,
} from "../search/mod.ts";
import { modelShape } from "../study/shape.ts";
import { wrong } from "./values.ts";

/** A budget as the user states it, for any model. */
export interface BudgetChoice {
  /** What is limited. */
  readonly kind: Budget["kind"];
  /** To which share of the full model's, in (0, 1). */
  readonly share: number;
}

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
  // Each once, however often and in whatever way it was said.
  return [...new Map(choices.map((c) => [budgetLabel(c), c])).values()];
}

/** What files of a budget are named after, such as "0.27" or "flops-0.5". */
export function budgetLabel({ kind, share }: BudgetChoice): string {
  return kind === "rate" ? `${share}` : `${kind}-${share}`;
}

/** What a heading says, such as "mean keeping rate 0.27". */
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
 * A budget for a certain model. FLOPs are those of the decoder: no schedule
 * changes what comes before it.
 *
 * @param tokens of a mean question, and of the image with most tiles
 */
export function settleBudget(
  { kind, share }: BudgetChoice,
  config: ModelConfig,
  { textTokens, visionTokens }: {
    readonly textTokens: number;
    readonly visionTokens: number;
  },
): Budget {
  if (kind === "rate") return { kind, limit: share };
  const model = { ...modelShape(config), visionFlops: 0 };
  const budget: Budget = kind === "flops"
    ? { kind, limit: 0, model, textTokens }
    : { kind, limit: 0, model, textTokens, bytesPerElement: 4 };
  const full = fullSchedule(config.decoder.layers, visionTokens);
  return { ...budget, limit: share * costOf(full, budget) };
}

/** What P-Sigmoid is compared with: its free refinement, or a baseline. */
export type Rival = "refined" | BaselineMethod;

/** All of them. */
export const RIVALS: readonly Rival[] = ["refined", ...BASELINE_METHODS];

/**
 * Reads "all", "none", or names with commas between.
 *
 * @param known those that there is something known for
 */
export function parseBaselines(
  name: string,
  value: string,
  known: readonly Rival[],
): Rival[] {
  if (value === "all") return [...known];
  if (value === "none") return [];
  return value.split(",").map((item) => {
    const rival = known.find((rival) => rival === item);
    if (rival === undefined) {
      throw wrong(name, `all, none or some of ${known.join(", ")}`, value);
    }
    return rival;
  });
}

/** The output of `search.ts --json`. */

import { meanKeepingRate } from "../core/mod.ts";
import { accuracy } from "../eval/mod.ts";
import type { BudgetOutcome } from "../study/budgets.ts";
import type { Scenario1 } from "./scenario1.ts";
import type { Scenario2 } from "./scenario2.ts";
import type { Setup } from "./setup.ts";

/** A finished run of search.ts. */
export interface SearchOutcome {
  readonly scenario1: Scenario1 | null;
  readonly scenario2: Scenario2 | null;
  /** Duration of the whole run, in seconds. */
  readonly seconds: number;
  /** Reasons why the result may be worth less than it seems. */
  readonly warnings: readonly string[];
}

/** The JSON object that `--json` prints. Ratios are full / reduced. */
export function toJson(
  { loaded: { name, model }, options: { seed }, full }: Setup,
  { scenario1, scenario2, seconds, warnings }: SearchOutcome,
): Record<string, unknown> {
  const { samples, total } = full.evaluation;
  return {
    model: name,
    device: model.backend.name,
    seed,
    full: { accuracy: accuracy(samples), samples: total },
    ...scenario1 && ofScenario1(scenario1),
    ...scenario2 && { budgets: scenario2.budgets.map(budgetJson) },
    seconds,
    warnings,
  };
}

function ofScenario1(
  { full, reduced, trials }: Scenario1,
): Record<string, unknown> {
  const { difference, low, high } = reduced.difference;
  return {
    reduced: {
      accuracy: reduced.accuracy,
      samples: reduced.evaluation.total,
      // the paired difference from the full model, in points
      difference,
      interval: [low, high],
    },
    keep: reduced.schedule.keep,
    meanKeepingRate: meanKeepingRate(reduced.schedule),
    flopsRatio: full.flops / reduced.flops,
    timeRatio: full.milliseconds / reduced.milliseconds,
    trials,
  };
}

/** The JSON of one budget's table. */
function budgetJson(
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
      // the paired difference from P-Sigmoid, in points
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

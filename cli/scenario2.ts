/**
 * Scenario II (docs/method.md, "P-Sigmoid"): the best schedule within each budget, by
 * P-Sigmoid, beside other methods at the same budget.
 */

import type { Schedule } from "../core/mod.ts";
import { formatSchedule } from "../report/mod.ts";
import {
  type AttentionByRank,
  type Budget,
  meanScore,
  type PSigmoidResult,
  vtwLayer,
} from "../search/mod.ts";
import {
  type BudgetChoice,
  type BudgetOutcome,
  compareAtBudget,
  leastCost,
  settleBudget,
  statisticsOf,
  warmStartOf,
} from "../study/budgets.ts";
import { meanTextTokens } from "../study/compare.ts";
import { printBudget } from "./budget_table.ts";
import { budgetLabel, budgetTitle } from "./budgets.ts";
import { printGenerated } from "./generated.ts";
import { type BudgetSearch, runPSigmoid } from "./psigmoid.ts";
import { questionsOf, writeSchedule } from "./results.ts";
import type { Setup } from "./setup.ts";

/** The result of Scenario II. */
export interface Scenario2 {
  /** The outcome at each budget. */
  readonly budgets: readonly BudgetOutcome[];
  /** The names of the schedule files that were written. */
  readonly files: readonly string[];
}

/**
 * Runs Scenario II, prints its result, and writes a schedule for each budget.
 *
 * @param gSearch the result of Scenario I, if it was run: P-Sigmoid starts from
 *   the sigmoid closest to it
 */
export async function runScenario2(
  setup: Setup,
  gSearch: Schedule | null,
): Promise<Scenario2> {
  const { loaded, options, calibration, visionTokens } = setup;
  const attention = await measure(setup);
  const textTokens = meanTextTokens(calibration);
  const known: Known = { gSearch, attention };
  const budgets: BudgetOutcome[] = [];
  const files: string[] = [];
  for (const choice of options.budgets) {
    const budget = settleBudget(choice, loaded.model.config, {
      textTokens,
      visionTokens,
    });
    const outcome = await searchBudget(setup, choice, { ...known, budget });
    budgets.push(outcome);
    if (outcome.runs.length > 0) {
      files.push(`schedule-${budgetLabel(choice)}.json`);
    }
  }
  return { budgets, files };
}

/** The inputs of the methods that are compared. */
interface Known {
  /** G-Search's schedule, to be rescaled; null if there is none. */
  readonly gSearch: Schedule | null;
  /** The attention shares for FitPrune; null if FitPrune is not wanted. */
  readonly attention: AttentionByRank | null;
}

/** Takes the statistics of FitPrune and VTW, and prints VTW's choice. */
async function measure(setup: Setup): Promise<AttentionByRank | null> {
  const { options, output: { say, status } } = setup;
  const statistics = statisticsOf(setup, status);
  if (options.baselines.includes("vtw")) {
    const kl = await statistics.divergence();
    const layer = vtwLayer(kl);
    say(
      `\nVTW's own rule, KL <= 0.003, ${
        layer === kl.length
          ? "withdraws vision tokens at no layer"
          : `withdraws all vision tokens at layer ${layer}`
      }; KL by layer: ${kl.map((nats) => nats.toFixed(3)).join(" ")}`,
    );
  }
  return options.baselines.includes("fitprune")
    ? await statistics.attention()
    : null;
}

/**
 * Searches within one budget, compares the methods, prints the table and writes
 * the schedule.
 */
async function searchBudget(
  setup: Setup,
  choice: BudgetChoice,
  known: Known & { readonly budget: Budget },
): Promise<BudgetOutcome> {
  const { budget, gSearch } = known;
  const { options, onCalibration, output } = setup;
  output.say(`\nBudget: ${budgetTitle(choice)}`);
  const least = leastCost(setup, budget, options.leastFirstLayer);
  if (least > budget.limit) {
    const share = choice.share * least / budget.limit;
    output.say(
      `  cannot be met, as a schedule that keeps all vision tokens before layer ${options.leastFirstLayer} costs ${
        share.toFixed(3)
      } at least`,
    );
    return { choice, runs: [], unmet: [{ name: "P-Sigmoid", share }] };
  }
  const search: BudgetSearch = {
    budget,
    label: budgetLabel(choice),
    warmStart: gSearch === null ? [] : [warmStartOf(gSearch, options)],
  };
  const found = await runPSigmoid(setup, search);
  output.say(
    `  P-Sigmoid: k ${found.k.toFixed(3)}, a ${found.a.toFixed(3)}, b ${
      found.b.toFixed(2)
    } from layer ${found.firstLayer} on (trials: ${found.trials.length}); the answer's mean probability on calibration questions ${
      found.value.toFixed(4)
    }, of the full model ${
      meanScore("probability", onCalibration.full).toFixed(4)
    }`,
  );
  output.draw(formatSchedule(found.schedule, output));
  const outcome = await compareAtBudget(setup, choice, {
    ...known,
    firstLayer: options.leastFirstLayer,
    found: found.schedule,
    methods: options.baselines,
  });
  printBudget(output, outcome);
  if (setup.metric) {
    printGenerated(output, {
      metric: setup.metric,
      runs: outcome.runs,
      heldout: setup.heldout,
      loaded: setup.loaded,
    });
  }
  await writeFound(setup, search, found, outcome);
  return outcome;
}

async function writeFound(
  { loaded: { name: model }, options, calibration }: Setup,
  { budget, label }: BudgetSearch,
  { k, a, b, firstLayer }: PSigmoidResult,
  { runs }: BudgetOutcome,
): Promise<void> {
  const { evaluations, out } = options;
  const full = runs.at(-1)!;
  const { difference, low, high } = full.difference;
  await writeSchedule(`${out}/schedule-${label}.json`, {
    model,
    full,
    reduced: runs[0],
    // In the table every difference is relative to P-Sigmoid. Here the sign is
    // reversed: P-Sigmoid relative to the full model.
    difference: { difference: -difference, low: -high, high: -low },
    search: {
      ...{ method: "P-Sigmoid", budget, k, a, b, firstLayer },
      evaluations,
      ...questionsOf(options, calibration.samples.length),
    },
  });
}

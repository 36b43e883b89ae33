/**
 * Scenario II (paper section 4): the best schedule within each budget, by
 * P-Sigmoid, beside other methods at the same budget.
 */

import type { Schedule } from "../core/mod.ts";
import {
  attentionShares,
  timeDecode,
  withdrawalDivergence,
} from "../eval/mod.ts";
import { formatSchedule } from "../report/mod.ts";
import {
  type AttentionByRank,
  baselines,
  type Budget,
  constantFamily,
  costOf,
  fitSigmoid,
  meanScore,
  type PSigmoidResult,
  vtwLayer,
  type WarmStart,
} from "../search/mod.ts";
import { type BudgetOutcome, printBudget } from "./budget_table.ts";
import {
  type BudgetChoice,
  budgetLabel,
  budgetTitle,
  settleBudget,
} from "./budgets.ts";
import { compareRuns, meanTextTokens, type Run, timeRuns } from "./compare.ts";
import { printGenerated } from "./generated.ts";
import { type BudgetSearch, runPSigmoid, runRefine } from "./psigmoid.ts";
import { questionsOf, writeSchedule } from "./results.ts";
import type { Setup } from "./setup.ts";

/** What Scenario II found. */
export interface Scenario2 {
  /** At each budget. */
  readonly budgets: readonly BudgetOutcome[];
  /** Names of the schedules that were written. */
  readonly files: readonly string[];
}

/**
 * Runs it, prints what comes of it, and writes a schedule for each budget.
 *
 * @param gSearch what Scenario I found, where it was run: P-Sigmoid begins with
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

/** What methods start from. */
interface Known {
  /** To be rescaled, where there is one. */
  readonly gSearch: Schedule | null;
  /** For FitPrune, where that is wanted. */
  readonly attention: AttentionByRank | null;
}

/** Calibration questions that statistics are averaged over. */
const STATISTICS_SAMPLES = 128;

/** What FitPrune and VTW find out before they reduce; tells VTW's choice. */
async function measure(setup: Setup): Promise<AttentionByRank | null> {
  const {
    loaded: { model },
    options,
    calibration,
    signal,
    output: { say, status },
  } = setup;
  const set = {
    images: calibration.images,
    samples: calibration.samples.slice(0, STATISTICS_SAMPLES),
  };
  const statistics = {
    signal,
    onProgress: (done: number, total: number) =>
      status.show(`statistics of ${done} of ${total} calibration questions`),
  };
  try {
    if (options.baselines.includes("vtw")) {
      const kl = await withdrawalDivergence(model, set, statistics);
      status.clear();
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
      ? await attentionShares(model, set, statistics)
      : null;
  } finally {
    status.clear();
  }
}

/** Searches within one budget, compares, prints and writes. */
async function searchBudget(
  setup: Setup,
  choice: BudgetChoice,
  known: Known & { readonly budget: Budget },
): Promise<BudgetOutcome> {
  const { budget, gSearch } = known;
  const { options, onCalibration, output } = setup;
  output.say(`\nBudget: ${budgetTitle(choice)}`);
  const least = leastCost(setup, budget);
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
  const refined = options.baselines.includes("refined")
    ? await runRefine(setup, search, found)
    : null;
  const outcome = await compareAtBudget(setup, choice, {
    ...known,
    found: found.schedule,
    refined: refined?.schedule ?? null,
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

/** What the least schedule costs that P-Sigmoid may try. */
function leastCost(
  { loaded, options, visionTokens }: Setup,
  budget: Budget,
): number {
  const { layers } = loaded.model.config.decoder;
  const firstLayer = options.leastFirstLayer;
  const { at, low } = constantFamily({ layers, visionTokens, firstLayer });
  return costOf(at(low), budget);
}

/** The sigmoid closest to G-Search's schedule. */
export function warmStartOf(
  gSearch: Schedule,
  { firstLayer }: { readonly firstLayer: number },
): WarmStart {
  const { sigmoid: { k, a } } = fitSigmoid(gSearch, firstLayer);
  return { k, a, firstLayer };
}

/** What is compared at a budget. */
export interface Comparison extends Known {
  readonly budget: Budget;
  /** P-Sigmoid's schedule. */
  readonly found: Schedule;
  /** Its refinement, where that is wanted. */
  readonly refined: Schedule | null;
}

/**
 * Judges all schedules of a budget on held-out questions, P-Sigmoid's first and
 * the full model last.
 */
export async function compareAtBudget(
  { loaded, options, heldout, visionTokens, judge, full, signal }: Setup,
  choice: BudgetChoice,
  { budget, found, refined, gSearch, attention }: Comparison,
): Promise<BudgetOutcome> {
  const { model } = loaded;
  const { layers } = model.config.decoder;
  const { ranking, positions, leastFirstLayer: firstLayer } = options;
  const own = { ranking, positions };
  const { contenders, leftOut } = baselines({
    ...{ layers, visionTokens, firstLayer, budget, ...own },
    ...attention && { attention },
    ...gSearch && { gSearch },
    pSigmoid: found,
  });
  const wanted = ({ method }: { method: typeof options.baselines[number] }) =>
    options.baselines.includes(method);
  const judged: Run[] = [await judge("P-Sigmoid", found, own)];
  if (refined) judged.push(await judge("  refined freely", refined, own));
  for (const { name, schedule, ...rest } of contenders.filter(wanted)) {
    const { ranking, positions } = rest;
    judged.push(await judge(name, schedule, { ranking, positions }));
  }
  judged.push(full);
  const compared = await compareRuns(model, heldout, judged, signal);
  const timed = { model, heldout, runs: judged, signal };
  const decode = await timeRuns(timeDecode, timed);
  return {
    choice,
    runs: compared.map((run, i) => ({ ...run, decodeMilliseconds: decode[i] })),
    unmet: leftOut.filter(wanted).map(({ name, leastCost }) => ({
      name,
      share: choice.share * leastCost / budget.limit,
    })),
  };
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
    // All differences are from P-Sigmoid, here the other way round.
    difference: { difference: -difference, low: -high, high: -low },
    search: {
      ...{ method: "P-Sigmoid", budget, k, a, b, firstLayer },
      evaluations,
      ...questionsOf(options, calibration.samples.length),
    },
  });
}

/**
 * Does G-Search overfit its calibration set? Searches with several calibration
 * sets and criteria, and evaluates each schedule on held-out questions that no
 * search saw.
 *
 *     deno task check:seeds                        # the default criterion, five seeds
 *     deno task check:seeds --criteria bound,loss:0.02 --seeds 3 --heldout 1000
 *
 * To choose a setting, compare with `--split validation`, so that the held-out
 * questions stay unseen. `--first-layer` and `--model` are those of search.ts.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { fullSchedule, meanKeepingRate } from "../core/mod.ts";
import { accuracy, createEvaluatorPool } from "../eval/mod.ts";
import { formatDifference, formatPercent, formatRatio } from "../report/mod.ts";
import { type Criterion, gSearch, type GSearchResult } from "../search/mod.ts";
import {
  compareRuns,
  DEFAULT_COUNTS,
  DEFAULT_CRITERION,
  DEFAULT_EPSILON,
  defaultFirstLayer,
  loadModel,
  loadQuestions,
  type Run,
} from "../study/mod.ts";
import { parseSplit } from "./arguments.ts";

/** "bound", or "bound:0.3" with another epsilon than the default. */
function parseCriterion(text: string): Criterion {
  const [kind, epsilon] = text.split(":");
  if (!Object.hasOwn(DEFAULT_EPSILON, kind)) {
    throw new RangeError(
      `Cannot use --criteria as each must be one of ${
        Object.keys(DEFAULT_EPSILON).join(", ")
      }: current value is "${kind}"`,
    );
  }
  const known = kind as Criterion["kind"];
  return { kind: known, epsilon: Number(epsilon ?? DEFAULT_EPSILON[known]) };
}

const args = parseArgs(Deno.args, {
  string: [
    "criteria",
    "seeds",
    "calibration",
    "heldout",
    "split",
    "first-layer",
    "model",
  ],
  default: {
    criteria: DEFAULT_CRITERION.kind,
    seeds: "5",
    calibration: String(DEFAULT_COUNTS.calibration),
    heldout: String(DEFAULT_COUNTS.heldout),
    split: "heldout",
  },
});
const split = parseSplit(args.split);
const loaded = await loadModel(args.model ?? null, { device: "cpu" });
const { visionTokens, decoder: { layers } } = loaded.model.config;
const firstLayer = Number(args["first-layer"] ?? defaultFirstLayer(layers));
const ranking = "instruction";
const positions = "original";
using pool = createEvaluatorPool(
  loaded.source,
  navigator.hardwareConcurrency,
);
const heldout = await loadQuestions(
  loaded,
  { count: Number(args.heldout) },
  split,
  0,
);
const judge = pool.createEvaluator(heldout, { ranking, cache: false });

const full: Run = {
  name: "full model",
  schedule: fullSchedule(layers, visionTokens),
  ranking,
  positions,
  evaluation: await judge(fullSchedule(layers, visionTokens)),
};
console.log(
  `full model: ${
    formatPercent(accuracy(full.evaluation.samples), 2)
  } of ${args.heldout} ${split} questions; ${args.calibration} calibration questions per search, reduced from layer ${firstLayer} on; ratios are full / reduced\n`,
);
const COLUMNS = [-14, 4, 8, 22, 7, 7, 8, 7, 7] as const;
const printRow = (...cells: string[]): void =>
  console.log(
    cells.map((cell, i) => {
      const width = COLUMNS[i] ?? 0;
      return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
    }).join("  "),
  );
printRow(
  "criterion",
  "seed",
  "accuracy",
  "difference, points",
  "FLOPs",
  "time",
  "keeping",
  "trials",
  "search",
  "schedule",
);

for (const criterion of args.criteria.split(",").map(parseCriterion)) {
  for (let seed = 0; seed < Number(args.seeds); seed++) {
    const start = performance.now();
    const { schedule, trials } = await searchSchedule(criterion, seed);
    const seconds = (performance.now() - start) / 1000;
    const name = `${criterion.kind} ${criterion.epsilon}`;
    const evaluation = await judge(schedule);
    const [all, run] = await compareRuns({ loaded, heldout }, [
      full,
      { name, schedule, ranking, positions, evaluation },
    ]);
    printRow(
      name,
      String(seed),
      formatPercent(run.accuracy, 2),
      formatDifference(run.difference),
      formatRatio(all.flops, run.flops),
      formatRatio(all.milliseconds, run.milliseconds),
      meanKeepingRate(schedule).toFixed(3),
      String(trials.length),
      `${seconds.toFixed(0)} s`,
      schedule.keep.join(" "),
    );
  }
}

async function searchSchedule(
  criterion: Criterion,
  seed: number,
): Promise<GSearchResult> {
  const count = Number(args.calibration);
  const set = await loadQuestions(loaded, { count }, "calibration", seed);
  const search = gSearch(
    pool.createEvaluator(set, { ranking, batchSize: 1 }),
    { layers, visionTokens, firstLayer, criterion },
  );
  let step = await search.next();
  while (!step.done) step = await search.next();
  return step.value;
}

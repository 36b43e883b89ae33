/**
 * Does G-Search fool itself? Searches with several calibration sets and
 * criteria, and judges each schedule on held-out questions that no search saw.
 *
 *     deno task check:seeds                        # the default criterion, five seeds
 *     deno task check:seeds --criteria bound,loss:0.02 --seeds 3 --heldout 1000
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { compareRuns, type Run } from "../cli/compare.ts";
import { loadModel, loadQuestions } from "../cli/load.ts";
import { parseOptions, type SearchOptions } from "../cli/options.ts";
import { fullSchedule, meanKeepingRate } from "../core/mod.ts";
import { createEvaluatorPool } from "../eval/mod.ts";
import { formatDifference, formatPercent, formatTable } from "../report/mod.ts";
import { type Criterion, gSearch } from "../search/mod.ts";

const defaults = parseOptions([]) as SearchOptions;

/** "bound", or "bound:0.3" with another epsilon than the default. */
function parseCriterion(text: string): Criterion {
  const [kind, epsilon] = text.split(":");
  const args = ["--criterion", kind, ...epsilon ? ["--epsilon", epsilon] : []];
  return parseOptions(args)!.criterion;
}

const args = parseArgs(Deno.args, {
  string: ["criteria", "seeds", "calibration", "heldout"],
  default: {
    criteria: defaults.criterion.kind,
    seeds: "5",
    calibration: String((defaults.calibration as { count: number }).count),
    heldout: "2000",
  },
});
const { ranking, firstLayer } = defaults;
const loaded = await loadModel(null);
const { visionTokens, decoder: { layers } } = loaded.model.config;
using pool = await createEvaluatorPool(
  loaded.source,
  navigator.hardwareConcurrency,
);
const heldout = await loadQuestions(
  loaded,
  { count: Number(args.heldout) },
  "heldout",
  0,
);
const judge = pool.createEvaluator(heldout, { ranking, cache: false });

const full = fullSchedule(layers, visionTokens);
const runs: Run[] = [{
  name: "full model",
  schedule: full,
  ranking,
  evaluation: await judge(full),
}];
const searches: { seed: number; trials: number; seconds: number }[] = [];
for (const criterion of args.criteria.split(",").map(parseCriterion)) {
  for (let seed = 0; seed < Number(args.seeds); seed++) {
    const start = performance.now();
    const calibration = await loadQuestions(
      loaded,
      { count: Number(args.calibration) },
      "calibration",
      seed,
    );
    const evaluate = pool.createEvaluator(calibration, {
      ranking,
      batchSize: 2,
    });
    const search = gSearch(evaluate, {
      layers,
      visionTokens,
      firstLayer,
      criterion,
    });
    let step = await search.next();
    while (!step.done) step = await search.next();
    const { schedule, trials } = step.value;
    const seconds = (performance.now() - start) / 1000;
    searches.push({ seed, trials: trials.length, seconds });
    runs.push({
      name: `${criterion.kind} ${criterion.epsilon}`,
      schedule,
      ranking,
      evaluation: await judge(schedule),
    });
    console.error(
      `${runs.at(-1)!.name}, seed ${seed}: [${schedule.keep}] in ${
        seconds.toFixed(0)
      } s`,
    );
  }
}

const [first, ...found] = await compareRuns(
  loaded.model,
  heldout,
  runs,
  new AbortController().signal,
);
console.log(
  `full model: ${
    formatPercent(first.accuracy, 2)
  } of ${args.heldout} held-out questions; ${args.calibration} calibration questions per search; ratios are full / reduced`,
);
console.log(formatTable([
  [
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
  ],
  ...found.map((run, i) => [
    run.name,
    String(searches[i].seed),
    formatPercent(run.accuracy, 2),
    formatDifference(run.difference),
    `${(first.flops / run.flops).toFixed(2)}x`,
    `${(first.milliseconds / run.milliseconds).toFixed(2)}x`,
    meanKeepingRate(run.schedule).toFixed(3),
    String(searches[i].trials),
    `${searches[i].seconds.toFixed(0)} s`,
    run.schedule.keep.join(" "),
  ]),
]));

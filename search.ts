/**
 * The main job: how few vision tokens does each layer of a model need?
 *
 *     deno run -A search.ts --help
 *
 * Runs G-Search (paper section 3) on calibration questions and shows on
 * held-out questions what the result is worth. Needs no arguments: a small
 * trained model and its questions are part of the repository.
 *
 * @module
 */
// deno-lint-ignore-file no-console

import { compareRuns, printComparison, type Run } from "./cli/compare.ts";
import { openEvaluators, searchBatchSize } from "./cli/evaluators.ts";
import { runGSearch } from "./cli/gsearch.ts";
import { loadModel } from "./cli/load.ts";
import {
  parseOptions,
  type SearchOptions,
  settleOptions,
  USAGE,
} from "./cli/options.ts";
import { createStatusLine } from "./cli/progress.ts";
import { loadQuestionSets } from "./cli/questions.ts";
import { prepareDirectory, toJson, writeSchedule } from "./cli/results.ts";
import { printAnswers, printHeader, printKinds, printTau } from "./cli/show.ts";
import {
  chooseMetric,
  generationLimits,
  printGenerated,
} from "./cli/generated.ts";
import {
  fastvSchedule,
  fullSchedule,
  meanKeepingRate,
  type Ranking,
  type Schedule,
} from "./core/mod.ts";
import { visionTokensOf } from "./eval/mod.ts";
import { formatSchedule, formatSeconds } from "./report/mod.ts";
import { checkEpsilon, type Evaluate } from "./search/mod.ts";

/**
 * Runs the command line.
 *
 * @param args as the user typed them
 * @returns the exit code: 0 done, 2 wrong use or unreadable input, 130 Ctrl-C
 */
export async function main(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  Deno.addSignalListener("SIGINT", onInterrupt);
  try {
    const options = parseOptions(args);
    if (options === null) console.log(USAGE);
    else await search(options, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) {
      console.error("Interrupted: the same command goes on from here");
      return 130;
    }
    console.error((error as Error).message);
    return 2;
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
}

async function search(
  given: SearchOptions,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  const loaded = await loadModel(given.model, given.device, {
    weightType: given.weights,
  });
  const { name, model } = loaded;
  const { layers } = model.config.decoder;
  const options = settleOptions(given, layers);
  const { calibration, heldout } = await loadQuestionSets(loaded, options);
  checkEpsilon(options.criterion, calibration.samples.length);
  const metric = chooseMetric(options.metric, heldout);
  const images = [...calibration.images, ...heldout.images];
  const visionTokens = visionTokensOf({ images }, model.config);
  await prepareDirectory(options.out);
  printHeader(loaded, calibration, heldout);
  await printAnswers(loaded, heldout);

  using pool = openEvaluators(loaded);
  const status = createStatusLine();
  const evaluators = new Map<Ranking, Evaluate>();
  /** On held-out questions; made when first needed. */
  function evaluatorOf(ranking: Ranking): Evaluate {
    const evaluate = evaluators.get(ranking) ??
      pool.createEvaluator(heldout, {
        ranking,
        cache: false,
        ...metric && { generate: generationLimits(loaded) },
        onProgress: (done, total) =>
          status.show(`${done} of ${total} held-out questions`),
      });
    evaluators.set(ranking, evaluate);
    return evaluate;
  }
  async function judge(
    name: string,
    schedule: Schedule,
    ranking: Ranking,
  ): Promise<Run> {
    try {
      const evaluation = await evaluatorOf(ranking)(schedule, { signal });
      return { name, schedule, ranking, evaluation };
    } finally {
      status.clear();
    }
  }

  const all = fullSchedule(layers, visionTokens);
  const full = await judge("full model", all, options.ranking);
  printKinds(heldout, full.evaluation);
  await printTau(loaded, calibration, signal);

  const { schedule, trials } = await runGSearch(
    name,
    all,
    pool.createEvaluator(calibration, {
      ranking: options.ranking,
      batchSize: searchBatchSize(loaded),
    }),
    options,
    signal,
  );
  console.log(
    `\nSchedule, mean keeping rate ${meanKeepingRate(schedule).toFixed(3)}:`,
  );
  console.log(formatSchedule(schedule));

  const contenders = [
    full,
    await judge("G-Search", schedule, options.ranking),
    await judge("  ranked at random", schedule, "random"),
  ];
  const layer = 2;
  // A model of two layers has none that FastV would reduce.
  if (layer < layers) {
    const fastv = fastvSchedule({ layers, visionTokens, layer, keepRate: 0.5 });
    contenders.push(
      await judge("FastV K=2 R=50 %", fastv, "last"),
      await judge("  ranked at random", fastv, "random"),
    );
  }
  const runs = await compareRuns(model, heldout, contenders, signal);
  printComparison(runs);
  if (metric) printGenerated(metric, runs, heldout, loaded);

  const outcome = {
    model: name,
    device: model.backend.name,
    full: runs[0],
    reduced: runs[1],
    trials: trials.length,
    seconds: (performance.now() - start) / 1000,
  };
  await writeSchedule(outcome, options);
  console.log(
    `\nWritten: ${options.out}/schedule.json and ${options.out}/search.jsonl, in ${
      formatSeconds(outcome.seconds)
    }`,
  );
  if (options.json) console.log(toJson(outcome, options));
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);

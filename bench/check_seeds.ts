/**
 * Does G-Search fool itself? Searches with several calibration sets and
 * criteria, and judges each schedule on held-out questions that no search saw.
 *
 *     deno task check:seeds                        # the default criterion, five seeds
 *     deno task check:seeds --criteria bound,loss,accuracy --seeds 3 --heldout 1000
 *     deno task check:seeds --criteria loss:0.02   # with another epsilon
 *
 * Searches run side by side, one worker per core.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { loadModel, loadQuestions, modelShape } from "../cli/load.ts";
import { parseOptions } from "../cli/options.ts";
import {
  createRandom,
  fromKeepCounts,
  fullSchedule,
  meanKeepingRate,
} from "../core/mod.ts";
import { accuracy, createEvaluator, timePrefill } from "../eval/mod.ts";
import { formatDifference, formatPercent, formatTable } from "../report/mod.ts";
import {
  accuracyDifference,
  type Criterion,
  decoderFlops,
  type Evaluation,
  gSearch,
} from "../search/mod.ts";

/** One search and its proof, or the full model's proof (no criterion). */
interface Job {
  readonly criterion: Criterion | null;
  readonly seed: number;
  readonly calibration: number;
  readonly heldout: number;
}

interface Outcome {
  readonly job: Job;
  readonly keep: readonly number[];
  readonly trials: number;
  readonly seconds: number;
  readonly heldout: Evaluation;
}

const FIRST_LAYER = parseOptions([])!.firstLayer;

async function run(job: Job): Promise<Outcome> {
  const start = performance.now();
  const loaded = await loadModel(null);
  const { visionTokens, decoder: { layers } } = loaded.model.config;
  let keep = fullSchedule(layers, visionTokens).keep;
  let trials = 0;
  if (job.criterion) {
    const set = await loadQuestions(
      loaded,
      { count: job.calibration },
      "calibration",
      job.seed,
    );
    const search = gSearch(
      createEvaluator(loaded.model, set, { batchSize: 2 }),
      {
        layers,
        visionTokens,
        firstLayer: FIRST_LAYER,
        criterion: job.criterion,
      },
    );
    let step = await search.next();
    for (; !step.done; step = await search.next()) trials++;
    keep = step.value.schedule.keep;
  }
  const seconds = (performance.now() - start) / 1000;
  const set = await loadQuestions(loaded, { count: job.heldout }, "heldout", 0);
  const evaluate = createEvaluator(loaded.model, set, { cache: false });
  const heldout = await evaluate(fromKeepCounts(keep, visionTokens));
  return { job, keep, trials, seconds, heldout };
}

/** Runs jobs on workers that take one after another from the list. */
async function runAll(jobs: readonly Job[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = jobs.entries();
  const drain = async (): Promise<void> => {
    const worker = new Worker(import.meta.url, { type: "module" });
    for (const [index, job] of waiting) {
      outcomes[index] = await new Promise<Outcome>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage(job);
      });
      console.error(`done: ${index + 1} of ${jobs.length}`);
    }
    worker.terminate();
  };
  await Promise.all(
    Array.from({ length: navigator.hardwareConcurrency }, drain),
  );
  return outcomes;
}

/** "bound" or "bound:0.3". */
function parseCriterion(text: string): Criterion {
  const [kind, epsilon] = text.split(":");
  return parseOptions([
    "--criterion",
    kind,
    ...epsilon ? ["--epsilon", epsilon] : [],
  ])!
    .criterion;
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["criteria", "seeds", "calibration", "heldout"],
    default: {
      criteria: parseOptions([])!.criterion.kind,
      seeds: "5",
      heldout: "2000",
    },
  });
  const source = parseOptions([])!.calibration as { count: number };
  const sizes = {
    calibration: Number(args.calibration ?? source.count),
    heldout: Number(args.heldout),
  };
  const seeds = Array.from({ length: Number(args.seeds) }, (_, seed) => seed);
  const jobs: Job[] = [
    { criterion: null, seed: 0, ...sizes },
    ...args.criteria.split(",").map(parseCriterion).flatMap((
      criterion: Criterion,
    ) => seeds.map((seed): Job => ({ criterion, seed, ...sizes }))),
  ];
  const [full, ...searched] = await runAll(jobs);

  const loaded = await loadModel(null);
  const shape = modelShape(loaded.model.config);
  const { visionTokens } = loaded.model.config;
  const schedules = [full, ...searched].map(({ keep }) =>
    fromKeepCounts(keep, visionTokens)
  );
  const timed = await loadQuestions(loaded, { count: 12 }, "heldout", 0);
  const times = await timePrefill(
    loaded.model,
    timed,
    schedules.map((schedule) => ({ schedule, reduction: {} })),
    { now: () => performance.now() },
  );
  const flops = schedules.map((schedule) => decoderFlops(shape, schedule, 7));

  console.log(
    `full model: ${
      formatPercent(accuracy(full.heldout.samples), 2)
    } of ${sizes.heldout} held-out questions; ${sizes.calibration} calibration questions per search; ratios are full / reduced`,
  );
  console.log(formatTable([
    [
      "criterion",
      "seed",
      "accuracy",
      "difference",
      "FLOPs",
      "time",
      "keeping",
      "trials",
      "search s",
      "schedule",
    ],
    ...searched.map(({ job, keep, trials, seconds, heldout }, i) => [
      `${job.criterion!.kind} ${job.criterion!.epsilon}`,
      String(job.seed),
      formatPercent(accuracy(heldout.samples), 2),
      formatDifference(
        accuracyDifference(heldout, full.heldout, {
          random: createRandom(i).uniform,
        }),
      ),
      (flops[0] / flops[i + 1]).toFixed(2),
      (times[0] / times[i + 1]).toFixed(2),
      meanKeepingRate(schedules[i + 1]).toFixed(3),
      String(trials),
      seconds.toFixed(0),
      keep.join(" "),
    ]),
  ]));
}

if (import.meta.main) await main();
else {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<Job>) => void;
    postMessage(outcome: Outcome): void;
  };
  scope.onmessage = async ({ data }) => scope.postMessage(await run(data));
}

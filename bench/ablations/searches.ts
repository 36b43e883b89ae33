/** Options of G-Search, and the number of calibration questions. */

import { accuracy } from "../../eval/mod.ts";
import { formatPercent, formatRatio } from "../../report/mod.ts";
import {
  type Criterion,
  decoderFlops,
  gSearch,
  type GSearchResult,
} from "../../search/mod.ts";
import { meanTextTokens, modelShape, type Run } from "../../study/mod.ts";
import {
  type BayesLayers,
  gSearchByBayes,
  MOST_TRIALS,
} from "./bayes_search.ts";
import {
  finish,
  formatAccuracy,
  formatAgainst,
  type Lab,
  scheduleCells,
  searchPSigmoid,
  shapeOf,
} from "./lab.ts";
import { printTable, printText } from "./page.ts";

const LOSS: Criterion = { kind: "loss", epsilon: .01 };

/** Full FLOPs / those of a run, such as "1.87x". */
function flopsRatio({ study }: Lab, { schedule }: Run): string {
  const shape = modelShape(study.loaded.model.config);
  const textTokens = meanTextTokens(study.heldout);
  const full = decoderFlops(shape, study.full.schedule, textTokens);
  return formatRatio(full, decoderFlops(shape, schedule, textTokens));
}

/** Head of the columns that `resultCells()` fills. */
const RESULT_HEAD = [
  "accuracy",
  "difference",
  "FLOPs",
  "keeping",
  "trials",
  "schedule",
];

/** The result of a search. */
async function resultCells(
  lab: Lab,
  { schedule, trials }: Pick<GSearchResult, "schedule"> & {
    readonly trials: readonly unknown[];
  },
): Promise<string[]> {
  const { study } = lab;
  const run = await study.judge("G-Search", schedule, study.rules);
  const [keeping, counts] = scheduleCells(schedule);
  return [
    formatAccuracy(run),
    formatAgainst(run, lab.study.full),
    flopsRatio(lab, run),
    keeping,
    String(trials.length),
    counts,
  ];
}

const COLUMNS_TEXT =
  "The difference is from the full model on held-out questions, in points; FLOPs are full / reduced.";

/** Prints G-Search from several first layers on. */
export async function compareFirstLayers(lab: Lab): Promise<void> {
  printText(
    `G-Search by the criterion ${lab.criterion.kind} (epsilon ${lab.criterion.epsilon}), reducing from the given layer on.`,
    COLUMNS_TEXT,
  );
  const rows: string[][] = [];
  for (const firstLayer of [1, 2, 3, 4]) {
    const result = await lab.gSearch({ firstLayer });
    rows.push([String(firstLayer), ...await resultCells(lab, result)]);
  }
  printTable([["first layer", ...RESULT_HEAD], ...rows]);
}

/** Prints G-Search by each criterion. */
export async function compareCriteria(lab: Lab): Promise<void> {
  printText(
    `G-Search by each criterion with its default tolerance, on the same ${lab.study.calibration.samples.length} calibration questions; [criteria.md](criteria.md) has more of them.`,
    COLUMNS_TEXT,
  );
  const criteria: Criterion[] = [
    { kind: "accuracy", epsilon: .5 },
    LOSS,
    lab.criterion,
  ];
  const rows: string[][] = [];
  for (const criterion of criteria) {
    const result = await lab.gSearch({ criterion });
    const name = `${criterion.kind} ${criterion.epsilon}`;
    rows.push([name, ...await resultCells(lab, result)]);
  }
  printTable([["criterion", ...RESULT_HEAD], ...rows]);
}

/** Prints G-Search with Bayesian optimisation in place of bisection. */
export async function compareOptimisers(lab: Lab): Promise<void> {
  const { study } = lab;
  const { evaluate, full } = study.onCalibration;
  printText(
    `G-Search by the criterion loss (epsilon ${LOSS.epsilon}): the keep count of a layer by bisection, or by Bayesian optimisation: the least count subject to the rise of the loss being at most epsilon, until the count below the best one is known to fail or ${MOST_TRIALS} have been tried.`,
    "Bisection stops a trial as soon as its outcome is certain; the optimiser's model needs the rise itself, and so all questions.",
    COLUMNS_TEXT,
  );
  const options: BayesLayers = {
    ...shapeOf(study),
    firstLayer: lab.firstLayer,
    criterion: LOSS,
    full,
  };
  const bisection = await lab.gSearch({ criterion: LOSS });
  const rows = [["bisection", ...await resultCells(lab, bisection)]];
  for (const seed of [0, 1]) {
    const result = await gSearchByBayes(evaluate, { ...options, seed });
    rows.push([`Bayesian, seed ${seed}`, ...await resultCells(lab, result)]);
  }
  printTable([["search", ...RESULT_HEAD], ...rows]);
}

/** Mean keeping rate of P-Sigmoid's schedules in the next table. */
const RATE = .27;
/** Schedules that P-Sigmoid tries there. */
const EVALUATIONS = 20;

/** Prints the gain of more calibration questions. */
export async function compareSizes(
  lab: Lab,
  { sizes, seeds }: {
    readonly sizes: readonly number[];
    readonly seeds: number;
  },
): Promise<void> {
  const { study } = lab;
  const all = [...Array(seeds).keys()];
  const pSigmoidRows: string[][] = [];
  const gSearchRows: string[][] = [];
  for (const size of sizes) {
    const best: Run[] = [];
    const least: Run[] = [];
    for (const seed of all) {
      const { evaluate, evaluateAnew, full } = await lab.ask(size, seed);
      const found = await searchPSigmoid(study, {
        evaluate: evaluateAnew,
        rate: RATE,
        seed,
        evaluations: EVALUATIONS,
      });
      best.push(await study.judge("P-Sigmoid", found, study.rules));
      const { schedule } = await finish(gSearch(evaluate, {
        ...shapeOf(study),
        firstLayer: lab.firstLayer,
        criterion: LOSS,
        full,
      }));
      least.push(await study.judge("G-Search", schedule, study.rules));
    }
    pSigmoidRows.push([
      String(size),
      ...best.map(formatAccuracy),
      formatPercent(mean(best.map(accuracyOf)), 2),
    ]);
    gSearchRows.push([
      String(size),
      ...least.map((run) =>
        `${formatAccuracy(run)} at ${scheduleCells(run.schedule)[0]}`
      ),
      formatPercent(mean(least.map(accuracyOf)), 2),
    ]);
  }
  const head = [
    "questions",
    ...all.map((seed) => `seed ${seed}`),
    "mean",
  ];
  printText(
    `P-Sigmoid at mean keeping rate ${RATE} with so many calibration questions, others for each seed: ${EVALUATIONS} schedules tried, no warm start; accuracy on held-out questions.`,
  );
  printTable([head, ...pSigmoidRows]);
  printText(
    `G-Search by the criterion loss (epsilon ${LOSS.epsilon}; the criterion bound needs 528 questions): accuracy on held-out questions, and mean keeping rate.`,
    `The full model: ${formatAccuracy(study.full)}.`,
  );
  printTable([head, ...gSearchRows]);
}

function accuracyOf({ evaluation }: Run): number {
  return accuracy(evaluation.samples);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The embedded model's accuracy and how it prunes, section by section, as in the
 * tables of models/tiny/README.md.
 *
 *     deno task check:model                         # some minutes
 *     deno task check:model --model DIR             # the same of another one
 *     deno task check:model --only accuracy,ranking --heldout 500
 *
 * `--calibration` and `--epsilon` are those of search.ts.
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import { fastvSchedule, type Ranking } from "../core/mod.ts";
import {
  accuracy,
  attentionByLayer,
  KINDS,
  majorityShare,
} from "../eval/mod.ts";
import { formatDifference, formatPercent, formatRatio } from "../report/mod.ts";
import {
  type Criterion,
  gSearch,
  kendallTau,
  neighbouringTau,
  type SampleResult,
  wilsonInterval,
} from "../search/mod.ts";
import {
  compareRuns,
  DEFAULT_COUNTS,
  DEFAULT_EPSILON,
  loadQuestions,
  type QuestionSet,
} from "../study/mod.ts";
import {
  finish,
  type Lab,
  openLab,
  scheduleCells,
  shapeOf,
} from "./ablations/lab.ts";
import { printTable, printText } from "./ablations/page.ts";
import { rankingRows } from "./ablations/rules.ts";

/** Accuracy of every kind of question, beside that of blind guessing. */
function printAccuracy({ study: { heldout, full } }: Lab): void {
  const { kinds, texts } = heldout;
  const { samples } = full.evaluation;
  const row = (name: string, some: readonly SampleResult[]): string[] => {
    const right = some.filter(({ correct }) => correct).length;
    const { low, high } = wilsonInterval(right, some.length);
    const asked = some.map(({ index }) => texts[index]);
    return [
      name,
      String(some.length),
      formatPercent(right / some.length),
      `${formatPercent(low)} to ${formatPercent(high)}`,
      formatPercent(majorityShare(asked)),
    ];
  };
  printText(`${samples.length} held-out questions, with 95 % intervals.`);
  printTable([
    ["kind", "questions", "accuracy", "interval", "commonest answer"],
    ...KINDS.map((kind) =>
      row(kind, samples.filter(({ index }) => kinds[index] === kind))
    ),
    row("all", samples),
  ]);
}

/** FastV's K, and the shares of vision tokens that it keeps. */
const FASTV_LAYER = 2;
const FASTV_RATES = [.25, .10];
const COMPARED: readonly Ranking[] = [
  "instruction",
  "last",
  "random",
  "uniform",
];

/** The gain of ranking by attention, at equal keep counts. */
async function printRankings(lab: Lab): Promise<void> {
  printText(
    `FastV's schedule: all vision tokens in the layers 0 and 1, a share of them from layer ${FASTV_LAYER} on, ranked by each rule.`,
    "The difference is from the rule `instruction`, in points.",
  );
  const schedules = FASTV_RATES.map((keepRate) =>
    fastvSchedule({ ...shapeOf(lab.study), layer: FASTV_LAYER, keepRate })
  );
  const heads = FASTV_RATES.flatMap((rate) => [
    `${formatPercent(rate, 0)} kept`,
    "difference",
  ]);
  printTable([
    ["ranking", ...heads],
    ...await rankingRows(lab, schedules, COMPARED),
  ]);
}

/** Held-out questions that τ is averaged over. */
const TAU_SAMPLES = 200;

/** Kendall's τ between the rankings of all pairs of layers. */
async function printTau(
  { study: { loaded: { model }, heldout } }: Lab,
): Promise<void> {
  const samples = heldout.samples.slice(0, TAU_SAMPLES);
  const scores = await attentionByLayer(model, { ...heldout, samples });
  const L = model.config.decoder.layers;
  const mean = (a: number, b: number): number =>
    scores.reduce((sum, layers) => sum + kendallTau(layers[a], layers[b]), 0) /
    scores.length;
  const cell = (a: number, b: number): string =>
    a < b ? mean(a, b).toFixed(2) : "";
  const layers = Array.from({ length: L }, (_, layer) => layer);
  const neighbours = neighbouringTau(scores).slice(1);
  const whole = neighbours.reduce((sum, x) => sum + x, 0) / neighbours.length;
  printText(
    `Kendall's τ between the rankings of each two layers by the attention of all instruction tokens, mean of ${samples.length} held-out questions.`,
    `Neighbouring layers after the first: ${whole.toFixed(2)} in the mean, ${
      Math.min(...neighbours).toFixed(2)
    } at least.`,
  );
  printTable([
    ["layer", ...layers.map(String)],
    ...layers.slice(0, -1).map((a) => [
      String(a),
      ...layers.map((b) => cell(a, b)),
    ]),
  ]);
}

/** The result of G-Search with its defaults. */
async function printGSearch(lab: Lab): Promise<void> {
  const { study, criterion } = lab;
  const { schedule, trials } = await lab.gSearch();
  const run = await study.judge("G-Search", schedule, study.rules);
  const [full, reduced] = await compareRuns(study, [study.full, run]);
  printText(
    `Criterion ${criterion.kind} ${criterion.epsilon}, ${study.calibration.samples.length} calibration questions, ${trials.length} trials; ratios are full / reduced.`,
  );
  printTable([
    ["", "accuracy", "difference", "FLOPs", "time", "keeping", "schedule"],
    [
      "full model",
      formatPercent(full.accuracy, 2),
      ...["", "", `${full.milliseconds.toFixed(1)} ms`, "1", ""],
    ],
    [
      "G-Search",
      formatPercent(reduced.accuracy, 2),
      formatDifference(reduced.difference),
      formatRatio(full.flops, reduced.flops),
      formatRatio(full.milliseconds, reduced.milliseconds),
      ...scheduleCells(schedule),
    ],
  ]);
}

/** Calibration questions of each kind, and their criterion. */
const KIND_QUESTIONS = 160;
const KIND_CRITERION: Criterion = { kind: "loss", epsilon: .01 };

/** How many vision tokens each kind of question needs. */
async function printKinds(lab: Lab): Promise<void> {
  const { loaded, heldout } = lab.study;
  const count = KIND_QUESTIONS * KINDS.length;
  const all = await loadQuestions(loaded, { count }, "calibration", 0);
  printText(
    `G-Search on ${KIND_QUESTIONS} calibration questions of one kind, reducing from layer 1 on: the loss rises by at most ${KIND_CRITERION.epsilon} nats.`,
    "The difference is from the full model, in points, on the held-out questions of that kind.",
  );
  const rows: string[][] = [];
  for (const kind of KINDS) {
    const { evaluate, full } = await lab.askThese(ofKind(all, kind));
    const { schedule } = await finish(gSearch(evaluate, {
      ...shapeOf(lab.study),
      firstLayer: 1,
      criterion: KIND_CRITERION,
      full,
    }));
    const run = await lab.study.judge(kind, schedule, lab.study.rules);
    const [own, whole] = [run, lab.study.full].map(({ evaluation }) =>
      accuracy(
        evaluation.samples.filter(({ index }) => heldout.kinds[index] === kind),
      )
    );
    const [keeping, keep] = scheduleCells(schedule);
    const difference = 100 * (own - whole);
    rows.push([kind, keep, keeping, formatPercent(own), difference.toFixed(1)]);
  }
  printTable([
    ["kind", "vision tokens kept", "keeping", "accuracy", "difference"],
    ...rows,
  ]);
}

/** The questions of one kind. */
function ofKind(set: QuestionSet, kind: string): QuestionSet {
  const pick = <T>(items: readonly T[]): T[] =>
    items.filter((_, i) => set.kinds[i] === kind);
  return {
    ...set,
    samples: pick(set.samples),
    kinds: pick(set.kinds),
    texts: pick(set.texts),
  };
}

const SECTIONS: Readonly<
  Record<
    string,
    readonly [title: string, print: (lab: Lab) => Promise<void> | void]
  >
> = {
  accuracy: ["Accuracy", printAccuracy],
  ranking: ["Ranking by attention or at random", printRankings],
  tau: ["Do layers rank vision tokens alike?", printTau],
  gsearch: ["G-Search", printGSearch],
  kinds: ["What each kind of question needs", printKinds],
};

const args = parseArgs(Deno.args, {
  string: ["model", "only", "heldout", "calibration", "epsilon"],
  default: {
    only: Object.keys(SECTIONS).join(),
    heldout: String(DEFAULT_COUNTS.heldout),
    calibration: String(DEFAULT_COUNTS.calibration),
    epsilon: String(DEFAULT_EPSILON.bound),
  },
});
using lab = await openLab({
  model: args.model ?? null,
  heldout: Number(args.heldout),
  calibration: Number(args.calibration),
  epsilon: Number(args.epsilon),
  evaluations: 30,
});
for (const name of args.only.split(",")) {
  if (!(name in SECTIONS)) {
    throw new RangeError(
      `Cannot use --only as it must be some of ${
        Object.keys(SECTIONS).join(", ")
      }: current value is "${args.only}"`,
    );
  }
  const [title, print] = SECTIONS[name];
  console.log(`## ${title}\n`);
  await print(lab);
}

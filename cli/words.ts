/**
 * How good the answers are that a model says by itself, as the benchmark of the
 * questions measures it.
 */
// deno-lint-ignore-file no-console

import {
  accuracy,
  anls,
  choiceLetter,
  gqaCorrect,
  mmeScores,
  popeScores,
  popeYesNo,
  relaxedCorrect,
  type SpeechLimits,
  vqaAccuracy,
} from "../eval/mod.ts";
import type { DatasetFormat, Question, Tokenizer } from "../io/mod.ts";
import { formatPercent, formatTable } from "../report/mod.ts";
import type { Evaluation } from "../search/mod.ts";
import type { LoadedModel } from "./load.ts";
import type { QuestionSet } from "./questions.ts";

/** The name of a metric. */
export type MetricName =
  | "vqa"
  | "gqa"
  | "pope"
  | "choice"
  | "relaxed"
  | "anls"
  | "mme"
  | "exact";

/** An answer in words, and what was asked. */
interface Spoken {
  readonly answer: string;
  readonly question: Question;
}

/** A benchmark's measure. */
interface Metric {
  /** What tables call it. */
  readonly title: string;
  /** Of all answers together, in [0, 1]; of MME in [0, 200]. */
  readonly score: (answers: readonly Spoken[]) => number;
}

const METRICS: Readonly<Record<MetricName, Metric>> = {
  vqa: mean(
    "VQA accuracy",
    (answer, { answers }) => vqaAccuracy(answer, answers),
  ),
  gqa: mean(
    "GQA accuracy",
    (answer, { answers }) =>
      answers.some((reference) => gqaCorrect(answer, reference)),
  ),
  pope: {
    title: "POPE F1",
    score: (spoken) =>
      popeScores(spoken.map(({ answer, question }) => ({
        answer,
        label: popeYesNo(question.answers[0]),
      }))).f1,
  },
  choice: mean(
    "right letter",
    (answer, { answers: [letter], choices = [] }) =>
      choiceLetter(answer, choices) === letter,
  ),
  relaxed: mean(
    "relaxed accuracy",
    (answer, { answers }) =>
      answers.some((reference) => relaxedCorrect(answer, reference)),
  ),
  anls: mean("ANLS", (answer, { answers }) => anls(answer, answers)),
  mme: {
    title: "MME score",
    score: (spoken) =>
      mmeScores(spoken.map(({ answer, question }) => ({
        answer,
        image: String(question.image),
        label: popeYesNo(question.answers[0]),
      }))).score,
  },
  exact: mean("same words", (answer, { answers }) => answers.includes(answer)),
};

/** What a user may ask for. */
export type MetricChoice = MetricName | "auto" | "none";

/** All that a user may ask for. */
export const METRIC_CHOICES: readonly MetricChoice[] = [
  "auto",
  "none",
  ...Object.keys(METRICS) as MetricName[],
];

/** The metric of each benchmark. */
const METRIC_OF: Readonly<Record<DatasetFormat, MetricName>> = {
  jsonl: "exact",
  vqa: "vqa",
  textvqa: "vqa",
  gqa: "gqa",
  pope: "pope",
  scienceqa: "choice",
  ai2d: "choice",
  mmbench: "choice",
  chartqa: "relaxed",
  docvqa: "anls",
  mme: "mme",
};

function mean(
  title: string,
  score: (answer: string, question: Question) => number | boolean,
): Metric {
  return {
    title,
    score: (spoken) =>
      spoken.reduce(
        (sum, { answer, question }) => sum + Number(score(answer, question)),
        0,
      ) / spoken.length,
  };
}

/**
 * The metric of a question set; null where none is wanted. Nor is it by
 * default where all answers are one token: whether that is the likeliest says
 * the same.
 *
 * @throws {RangeError} the set has nothing that the metric could be of
 */
export function chooseMetric(
  choice: MetricChoice,
  { dataset, samples }: QuestionSet,
): MetricName | null {
  if (choice === "none") return null;
  const isSingle = samples.every(({ answer }) => answer.length === 1);
  if (choice === "auto") {
    return dataset === null || isSingle ? null : METRIC_OF[dataset.format];
  }
  if (dataset === null) {
    throw new RangeError(
      `Cannot use --metric ${choice} as the questions must be from a file`,
    );
  }
  if (
    choice === "choice" && dataset.questions.some(({ choices }) => !choices)
  ) {
    throw new RangeError(
      "Cannot use --metric choice as all questions must have choices",
    );
  }
  return choice;
}

/** Longer answers than benchmarks ask for. */
const MAX_TOKENS = 32;

/** Where a model's answers end. */
export function speechLimits(
  { stopTokens, maxTokens }: LoadedModel,
): SpeechLimits {
  return {
    stopTokens,
    maxTokens: Math.min(maxTokens ?? MAX_TOKENS, MAX_TOKENS),
  };
}

/** The score of what was said in an evaluation of a set from a file. */
export function scoreWords(
  metric: MetricName,
  { samples }: Evaluation,
  { dataset, tokenizer }: {
    readonly dataset: { readonly questions: readonly Question[] };
    readonly tokenizer: Tokenizer;
  },
): number {
  const spoken = samples.map(({ index, said }) => ({
    answer: tokenizer.decode(said!, { skipSpecial: true }).trim(),
    question: dataset.questions[index],
  }));
  return METRICS[metric].score(spoken);
}

/** A run on held-out questions. */
interface NamedRun {
  readonly name: string;
  readonly evaluation: Evaluation;
}

/** The table of all runs: what the model says, beside forced answers. */
export function printWords(
  metric: MetricName,
  runs: readonly NamedRun[],
  { dataset }: QuestionSet,
  { tokenizer }: LoadedModel,
): void {
  const format = (score: number): string =>
    metric === "mme" ? score.toFixed(1) : formatPercent(score);
  console.log("\nThe same runs in the model's own words:");
  console.log(formatTable([
    ["", METRICS[metric].title, "accuracy"],
    ...runs.map(({ name, evaluation }) => [
      name,
      format(scoreWords(metric, evaluation, { dataset: dataset!, tokenizer })),
      formatPercent(accuracy(evaluation.samples)),
    ]),
  ]));
  console.log(
    "accuracy: every token of the right answer is the likeliest after those before it",
  );
}

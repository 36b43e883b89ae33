/**
 * How good the answers are that a model generates, as the benchmark of the
 * questions measures it.
 */

import {
  anls,
  choiceLetter,
  type GenerationLimits,
  gqaCorrect,
  mmeScores,
  popeScores,
  popeYesNo,
  relaxedCorrect,
  scienceQaLetter,
  vqaAccuracy,
} from "../eval/mod.ts";
import type { Dataset, DatasetFormat, Question, Tokenizer } from "../io/mod.ts";
import type { Evaluation } from "../search/mod.ts";
import type { LoadedModel } from "./load.ts";
import type { QuestionSet } from "./questions.ts";

/** The name of a metric. */
export type MetricName =
  | "vqa"
  | "gqa"
  | "pope"
  | "choice"
  | "scienceqa"
  | "relaxed"
  | "anls"
  | "mme"
  | "exact";

/** An answer in words, and what was asked. */
export interface GeneratedAnswer {
  /** What the model said. */
  readonly answer: string;
  /** The question, with its reference answers. */
  readonly question: Question;
}

/** A benchmark's measure. */
export interface Metric {
  /** What tables call it. */
  readonly title: string;
  /** Of all answers together, in [0, 1]; of MME in [0, 200]. */
  readonly score: (answers: readonly GeneratedAnswer[]) => number;
}

/** All of them, by name. */
export const METRICS: Readonly<Record<MetricName, Metric>> = {
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
    score: (answers) =>
      popeScores(answers.map(({ answer, question }) => ({
        answer,
        label: popeYesNo(question.answers[0]),
      }))).f1,
  },
  choice: mean(
    "right letter",
    (answer, { answers: [letter], choices = [] }) =>
      choiceLetter(answer, choices) === letter,
  ),
  scienceqa: mean(
    "right letter",
    (answer, { answers: [letter], choices = [] }) =>
      scienceQaLetter(answer, choices) === letter,
  ),
  relaxed: mean(
    "relaxed accuracy",
    (answer, { answers }) =>
      answers.some((reference) => relaxedCorrect(answer, reference)),
  ),
  anls: mean("ANLS", (answer, { answers }) => anls(answer, answers)),
  mme: {
    title: "MME score",
    score: (answers) =>
      mmeScores(answers.map(({ answer, question }) => ({
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
  scienceqa: "scienceqa",
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
    score: (answers) =>
      answers.reduce(
        (sum, { answer, question }) => sum + Number(score(answer, question)),
        0,
      ) / answers.length,
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
  if (choice === "auto") {
    const isSingle = samples.every(({ answer }) => answer.length === 1);
    if (dataset === null || isSingle) return null;
  }
  if (dataset === null) {
    throw new RangeError(
      `Cannot use --metric ${choice} as the questions must be from a file`,
    );
  }
  const metric = choice === "auto" ? metricOf(dataset) : choice;
  const { questions } = dataset;
  if (
    (metric === "choice" || metric === "scienceqa") &&
    questions.some(({ choices }) => !choices)
  ) {
    throw new RangeError(
      `Cannot use --metric ${metric} as all questions must have choices`,
    );
  }
  // What a metric lacks is found now, and not after the search.
  METRICS[metric].score(
    questions.map((question) => ({ answer: question.answers[0], question })),
  );
  return metric;
}

function metricOf({ format, questions }: Dataset): MetricName {
  const isChoice = questions.every(({ choices }) => choices !== undefined);
  return isChoice && format === "jsonl" ? "choice" : METRIC_OF[format];
}

/** More than the answers of benchmarks have. */
const MAX_TOKENS = 32;

/** Where a model's answers end. */
export function generationLimits(
  { stopTokens, maxTokens }: LoadedModel,
): GenerationLimits {
  return {
    stopTokens,
    maxTokens: Math.min(maxTokens ?? MAX_TOKENS, MAX_TOKENS),
  };
}

/** The score of the answers generated in an evaluation of a set from a file. */
export function scoreGenerated(
  metric: MetricName,
  { samples }: Evaluation,
  { dataset, tokenizer }: {
    readonly dataset: { readonly questions: readonly Question[] };
    readonly tokenizer: Tokenizer;
  },
): number {
  const answers = samples.map(({ index, generated }) => ({
    answer: tokenizer.decode(generated!, { skipSpecial: true }).trim(),
    question: dataset.questions[index],
  }));
  return METRICS[metric].score(answers);
}

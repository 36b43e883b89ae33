/**
 * Scores the answers that a model generates, with the metric of the benchmark
 * that the questions come from.
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

/** An answer in words, with its question. */
export interface GeneratedAnswer {
  /** The model's answer. */
  readonly answer: string;
  /** The question, with its reference answers. */
  readonly question: Question;
}

/** The metric of a benchmark. */
export interface Metric {
  /** Its name in tables. */
  readonly title: string;
  /** The score of all answers together, in [0, 1]; for MME in [0, 200]. */
  readonly score: (answers: readonly GeneratedAnswer[]) => number;
}

/** All metrics by name. */
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

/** A user's choice of metric. */
export type MetricChoice = MetricName | "auto" | "none";

/** All choices of metric. */
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
 * The metric of a question set; null if none is wanted. By default there is
 * none if every answer is one token, because whether that token is the
 * likeliest already says whether the answer is right.
 *
 * @throws {RangeError} the set lacks what the metric needs
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
  // A set that the metric cannot score fails now, not after the search.
  METRICS[metric].score(
    questions.map((question) => ({ answer: question.answers[0], question })),
  );
  return metric;
}

function metricOf({ format, questions }: Dataset): MetricName {
  const isChoice = questions.every(({ choices }) => choices !== undefined);
  return isChoice && format === "jsonl" ? "choice" : METRIC_OF[format];
}

/** Longer than the answers of benchmarks. */
const MAX_TOKENS = 32;

/** The length and the tokens at which a model's answers end. */
export function generationLimits(
  { stopTokens, maxTokens }: LoadedModel,
): GenerationLimits {
  return {
    stopTokens,
    maxTokens: Math.min(maxTokens ?? MAX_TOKENS, MAX_TOKENS),
  };
}

/**
 * The score of the answers that an evaluation generated for a set from a file.
 */
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

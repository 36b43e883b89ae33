/**
 * A study: a model, the questions to search with, the questions to judge the
 * result, and the evaluators that run the model on them.
 */

import {
  fullSchedule,
  type PositionRule,
  type Ranking,
  type ReductionOptions,
  type Schedule,
} from "../core/mod.ts";
import { type Evaluators, visionTokensOf } from "../eval/mod.ts";
import type { Evaluate, Evaluation } from "../search/mod.ts";
import { openEvaluators, searchBatchSize } from "./evaluators.ts";
import type { LoadedModel } from "./load.ts";
import { generationLimits, type MetricName } from "./metrics.ts";
import type { QuestionSet, QuestionSets } from "./questions.ts";
import { evaluateOnce, type Records } from "./records.ts";

/** Receives the progress of long work. */
export interface Status {
  /** Shows a text in place of the last one. */
  show(text: string): void;
  /** Removes the text, because the work is done or lines that stay follow. */
  clear(): void;
}

/** Ignores all progress. */
const SILENT: Status = { show: () => {}, clear: () => {} };

/** How a study runs the model. */
export interface StudyOptions extends ReductionOptions {
  /**
   * The benchmark's metric of answers generated to held-out questions. Null,
   * the default, generates none. See `chooseMetric`.
   */
  readonly metric?: MetricName | null;
  /**
   * The records that keep evaluations of the full model and of held-out
   * questions. Null, the default, keeps none. See `openRecords`.
   */
  readonly records?: Records | null;
  /** Receives the progress. */
  readonly status?: Status;
  /** Ends all work. */
  readonly signal?: AbortSignal;
}

/** A model and its questions, ready to be searched and judged. */
export interface Study extends QuestionSets, Disposable {
  /** The model. */
  readonly loaded: LoadedModel;
  /** How vision tokens are ranked, and which position ids survivors have. */
  readonly rules: Required<ReductionOptions>;
  /**
   * N that schedules are stated for: the vision tokens of the image with most
   * tiles.
   */
  readonly visionTokens: number;
  /** The metric of generated answers to held-out questions; null for none. */
  readonly metric: MetricName | null;
  /** The calibration questions, for searches. */
  readonly onCalibration: Calibration;
  /** Judges schedules on held-out questions. */
  readonly judge: Judge;
  /** The run of the full model on held-out questions. */
  readonly full: Run;
  /** The records of evaluations; null for none. */
  readonly records: Records | null;
  /** Ends all work. */
  readonly signal: AbortSignal;
  /** The evaluators that run the model. They end when the study is disposed. */
  readonly evaluators: Evaluators;
}

/** A schedule with its rules, and its results on the held-out questions. */
export interface Run {
  /** The name of the run in tables. */
  readonly name: string;
  /** Vision tokens that each layer keeps. */
  readonly schedule: Schedule;
  /** How the vision tokens are ranked. */
  readonly ranking: Ranking;
  /** Which position ids survivors have. */
  readonly positions: PositionRule;
  /** The results of all held-out questions. */
  readonly evaluation: Evaluation;
}

/** Runs a schedule on held-out questions. */
export type Judge = (
  name: string,
  schedule: Schedule,
  rules: Required<ReductionOptions>,
) => Promise<Run>;

/** The calibration questions, as searches evaluate them. */
export interface Calibration {
  /**
   * Evaluates and keeps hidden states between calls, for trials that differ
   * only in deep layers.
   */
  readonly evaluate: Evaluate;
  /** Evaluates without keeping hidden states. */
  readonly evaluateAnew: Evaluate;
  /** The results of the full model. */
  readonly full: Evaluation;
  /** Its summed loss, in nats. */
  readonly fullLoss: number;
}

/**
 * Starts the evaluators, and runs the full model on all questions.
 *
 * @throws the signal's reason, when aborted
 */
export async function openStudy(
  loaded: LoadedModel,
  { calibration, heldout }: QuestionSets,
  {
    ranking = "instruction",
    positions = "original",
    metric = null,
    records = null,
    status = SILENT,
    signal = new AbortController().signal,
  }: StudyOptions = {},
): Promise<Study> {
  const { config } = loaded.model;
  const rules = { ranking, positions };
  const images = [...calibration.images, ...heldout.images];
  const visionTokens = visionTokensOf({ images }, config);
  const everything = fullSchedule(config.decoder.layers, visionTokens);
  const evaluators = openEvaluators(loaded);
  try {
    const judge = createJudge({
      loaded,
      heldout,
      evaluators,
      metric,
      records,
      status,
      signal,
    });
    const full = await judge("full model", everything, rules);
    status.show("full model on the calibration questions");
    const onCalibration = await openCalibration(calibration, {
      loaded,
      evaluators,
      rules,
      full,
      records,
      signal,
    });
    return {
      loaded,
      calibration,
      heldout,
      rules,
      visionTokens,
      metric,
      onCalibration,
      judge,
      full,
      records,
      signal,
      evaluators,
      [Symbol.dispose]: () => evaluators[Symbol.dispose](),
    };
  } catch (error) {
    evaluators[Symbol.dispose]();
    throw error;
  } finally {
    status.clear();
  }
}

function createJudge(
  { loaded, heldout, evaluators, metric, records, status, signal }:
    & Pick<Study, "loaded" | "evaluators" | "metric" | "records" | "signal">
    & { readonly heldout: QuestionSet; readonly status: Status },
): Judge {
  /**
   * Evaluation functions by ranking and position rule, created when first
   * needed.
   */
  const known = new Map<string, Evaluate>();
  const generate = metric === null ? null : generationLimits(loaded);
  return async (name, schedule, rules) => {
    const key = `${rules.ranking} ${rules.positions}`;
    const evaluate = known.get(key) ??
      evaluators.createEvaluator(heldout, {
        ...rules,
        cache: false,
        ...generate && { generate },
        onProgress: (done, total) =>
          status.show(`${done} of ${total} held-out questions`),
      });
    known.set(key, evaluate);
    try {
      const evaluation = await evaluateOnce(records, {
        schedule,
        questions: heldout,
        rules: { ...rules, generate },
        evaluate: () => evaluate(schedule, { signal }),
      });
      return { name, schedule, ...rules, evaluation };
    } finally {
      status.clear();
    }
  };
}

/**
 * Runs the full model on the calibration questions, and prepares them for
 * searches.
 */
export async function openCalibration(
  calibration: QuestionSet,
  { loaded, evaluators, rules, full: { schedule }, records, signal }: Pick<
    Study,
    "loaded" | "evaluators" | "rules" | "full" | "records" | "signal"
  >,
): Promise<Calibration> {
  const options = { ...rules, batchSize: searchBatchSize(loaded) };
  const evaluate = evaluators.createEvaluator(calibration, options);
  const evaluateAnew = evaluators.createEvaluator(calibration, {
    ...options,
    cache: false,
  });
  const full = await evaluateOnce(records, {
    schedule,
    questions: calibration,
    rules: options,
    evaluate: () => evaluate(schedule, { signal }),
  });
  return { evaluate, evaluateAnew, full, fullLoss: sumOfLosses(full) };
}

/**
 * Sums the losses in the order of the samples, so that the sum is the same to
 * the last bit.
 */
function sumOfLosses({ samples }: Evaluation): number {
  return samples.reduce((sum, { loss }) => sum + loss, 0);
}

/**
 * A study: a model, the questions it is searched with and those it is judged on,
 * and what runs the one on the others.
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

/** Hears how far long work has come. */
export interface Status {
  /** Takes a text in place of the last one. */
  show(text: string): void;
  /** The work is done, or lines that stay are coming. */
  clear(): void;
}

/** Hears nothing. */
const SILENT: Status = { show: () => {}, clear: () => {} };

/** How a study runs the model. */
export interface StudyOptions extends ReductionOptions {
  /**
   * The benchmark's own measure, of answers generated to held-out questions;
   * null, the default, to generate none. See `chooseMetric`.
   */
  readonly metric?: MetricName | null;
  /**
   * Where evaluations of the full model, and those of held-out questions, are
   * kept and looked up; null, the default, for nowhere. See `openRecords`.
   */
  readonly records?: Records | null;
  /** Hears how far it is. */
  readonly status?: Status;
  /** Ends whatever runs. */
  readonly signal?: AbortSignal;
}

/** A model and its questions, ready to be searched and judged. */
export interface Study extends QuestionSets, Disposable {
  /** The model. */
  readonly loaded: LoadedModel;
  /** How vision tokens are ranked, and which position ids survivors have. */
  readonly rules: Required<ReductionOptions>;
  /** N that schedules are stated for: that of the image with most tiles. */
  readonly visionTokens: number;
  /** How generated answers to held-out questions are judged; null if not. */
  readonly metric: MetricName | null;
  /** The calibration questions, for searches. */
  readonly onCalibration: Calibration;
  /** Judges schedules on held-out questions. */
  readonly judge: Judge;
  /** The full model on held-out questions. */
  readonly full: Run;
  /** Where evaluations are kept; null for nowhere. */
  readonly records: Records | null;
  /** Ends whatever runs. */
  readonly signal: AbortSignal;
  /** What runs the model; ended when the study is disposed. */
  readonly evaluators: Evaluators;
}

/** A way to run the model, and what came of it on the held-out questions. */
export interface Run {
  /** The name that tables give it. */
  readonly name: string;
  /** Vision tokens that each layer keeps. */
  readonly schedule: Schedule;
  /** How they are ranked. */
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

/** The calibration questions as searches ask them. */
export interface Calibration {
  /** Keeps hidden states between calls, for trials that differ in deep layers. */
  readonly evaluate: Evaluate;
  /** Keeps none. */
  readonly evaluateAnew: Evaluate;
  /** The full model. */
  readonly full: Evaluation;
  /** Its summed loss, in nats. */
  readonly fullLoss: number;
}

/**
 * Starts what runs the model, and asks the full model all questions.
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
  /** By ranking and position rule; made when first needed. */
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

/** Asks the full model calibration questions, and keeps them for searches. */
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

/** In the order of the samples, so that it is the same to the last bit. */
function sumOfLosses({ samples }: Evaluation): number {
  return samples.reduce((sum, { loss }) => sum + loss, 0);
}

/**
 * What both scenarios work with: a model, its questions, and what runs the one
 * on the other.
 */

import {
  fullSchedule,
  type ReductionOptions,
  type Schedule,
} from "../core/mod.ts";
import type { Evaluators, GenerationLimits } from "../eval/mod.ts";
import type { Evaluate, Evaluation } from "../search/mod.ts";
import type { Run } from "./compare.ts";
import { searchBatchSize } from "../study/evaluators.ts";
import type { MetricName } from "./generated.ts";
import type { LoadedModel } from "../study/load.ts";
import type { SettledOptions } from "./options.ts";
import type { Output } from "./output.ts";
import type { QuestionSet } from "./questions.ts";

/** What a search starts from. */
export interface Setup {
  readonly loaded: LoadedModel;
  readonly options: SettledOptions;
  readonly calibration: QuestionSet;
  readonly heldout: QuestionSet;
  /** N that schedules are stated for: that of the image with most tiles. */
  readonly visionTokens: number;
  /** How generated answers to held-out questions are judged; null if not. */
  readonly metric: MetricName | null;
  /** What searches ask. */
  readonly onCalibration: Calibration;
  /** Judges results on held-out questions. */
  readonly judge: Judge;
  /** The full model on held-out questions. */
  readonly full: Run;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
  /** Where all of it is told. */
  readonly output: Output;
}

/** Runs a schedule on held-out questions. */
export type Judge = (
  name: string,
  schedule: Schedule,
  reduction: Required<ReductionOptions>,
) => Promise<Run>;

/** How questions are judged. */
export interface JudgeOptions {
  /** Ctrl-C. */
  readonly signal: AbortSignal;
  /** Where it is told how far it is. */
  readonly status: Output["status"];
  /** Where generated answers end, if there are to be any. */
  readonly generate?: GenerationLimits;
}

/** Makes a judge, which shows how far it is. */
export function createJudge(
  pool: Evaluators,
  heldout: QuestionSet,
  { signal, status, generate }: JudgeOptions,
): Judge {
  /** By ranking and position rule; made when first needed. */
  const evaluators = new Map<string, Evaluate>();
  return async (name, schedule, reduction) => {
    const rules = `${reduction.ranking} ${reduction.positions}`;
    const evaluate = evaluators.get(rules) ??
      pool.createEvaluator(heldout, {
        ...reduction,
        cache: false,
        ...generate && { generate },
        onProgress: (done, total) =>
          status.show(`${done} of ${total} held-out questions`),
      });
    evaluators.set(rules, evaluate);
    try {
      const evaluation = await evaluate(schedule, { signal });
      return { name, schedule, ...reduction, evaluation };
    } finally {
      status.clear();
    }
  };
}

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

/** Prepares calibration questions, and asks them the full model. */
export async function openCalibration(
  pool: Evaluators,
  { loaded, options, calibration, visionTokens, signal, output }: Omit<
    Setup,
    "onCalibration" | "judge" | "full" | "heldout" | "metric"
  >,
): Promise<Calibration> {
  const { ranking, positions } = options;
  const batchSize = searchBatchSize(loaded);
  const rules = { ranking, positions, batchSize };
  const evaluate = pool.createEvaluator(calibration, rules);
  const evaluateAnew = pool.createEvaluator(calibration, {
    ...rules,
    cache: false,
  });
  const { layers } = loaded.model.config.decoder;
  const { status } = output;
  status.show("full model on the calibration questions");
  try {
    const schedule = fullSchedule(layers, visionTokens);
    const full = await evaluate(schedule, { signal });
    return { evaluate, evaluateAnew, full, fullLoss: sumOfLosses(full) };
  } finally {
    status.clear();
  }
}

/** In the order of the samples, so that it is the same to the last bit. */
function sumOfLosses({ samples }: Evaluation): number {
  return samples.reduce((sum, { loss }) => sum + loss, 0);
}

/** What a study keeps, so that nothing is evaluated twice. */

import type { SampleSet } from "../eval/mod.ts";
import type { Evaluation, Schedule } from "../search/mod.ts";
import type { StudyIdentity, TrialStore } from "../store/mod.ts";
import { modelFingerprint, questionsFingerprint } from "./fingerprint.ts";
import type { LoadedModel } from "./load.ts";

/** Where a study keeps what it finds out, and what tells it from others. */
export interface Records {
  /** Where that is. */
  readonly store: TrialStore;
  /** The model's fingerprint. */
  readonly model: string;
  /** What else a result depends on to the last bit. */
  readonly device: {
    /** The backend that runs the model. */
    readonly backend: string;
    /** How it stores weights. */
    readonly weights: string;
  };
}

/** Finds out what tells a model from others. */
export async function openRecords(
  store: TrialStore,
  loaded: LoadedModel,
): Promise<Records> {
  return {
    store,
    model: await modelFingerprint(loaded),
    device: {
      backend: loaded.model.backend.name,
      weights: loaded.weightType,
    },
  };
}

/**
 * What the trials of a search depend on.
 *
 * @param calibration the questions that it asks
 * @param search the search's name
 * @param options all that it is told, but for what it may do without, such as a
 *   clock
 */
export async function identityOf(
  { model, device }: Records,
  calibration: SampleSet,
  search: string,
  options: Readonly<Record<string, unknown>>,
): Promise<StudyIdentity> {
  return {
    model,
    questions: await questionsFingerprint(calibration),
    search,
    options: { device, ...options },
  };
}

/** An evaluation of all questions of a set. */
export interface WholeEvaluation {
  /** Vision tokens that each layer keeps. */
  readonly schedule: Schedule;
  /** The questions. */
  readonly questions: SampleSet;
  /** How tokens are ranked, and whatever else the evaluator is told. */
  readonly rules: Readonly<Record<string, unknown>>;
  /** Carries it out. */
  readonly evaluate: () => Promise<Evaluation>;
}

/** Takes an evaluation from the records, or carries it out and keeps it there. */
export async function evaluateOnce(
  records: Records | null,
  { schedule, questions, rules, evaluate }: WholeEvaluation,
): Promise<Evaluation> {
  if (records === null) return await evaluate();
  const { store, model, device } = records;
  const key = {
    model,
    questions: await questionsFingerprint(questions),
    schedule: schedule.keep,
    rules: { device, visionTokens: schedule.visionTokens, ...rules },
  };
  const known = await store.evaluation(key);
  if (known !== null) return known;
  const evaluation = await evaluate();
  await store.keepEvaluation(key, evaluation);
  return evaluation;
}

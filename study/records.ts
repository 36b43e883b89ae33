/** The records of a study, which make sure that nothing is evaluated twice. */

import type { SampleSet } from "../eval/mod.ts";
import type { Evaluation, Schedule } from "../search/mod.ts";
import type { StudyIdentity, TrialStore } from "../store/mod.ts";
import { modelFingerprint, questionsFingerprint } from "./fingerprint.ts";
import type { LoadedModel } from "./load.ts";

/** The store of a study, and the values that identify the study. */
export interface Records {
  /** The store. */
  readonly store: TrialStore;
  /** The model's fingerprint. */
  readonly model: string;
  /** The other things that a result depends on to the last bit. */
  readonly device: {
    /** The backend that runs the model. */
    readonly backend: string;
    /** How it stores weights. */
    readonly weights: string;
  };
}

/** Computes the fingerprint of the model and opens its records. */
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
 * The values that the trials of a search depend on.
 *
 * @param calibration the questions that the search evaluates
 * @param search the search's name
 * @param options all options of the search, except those that do not change its
 *   results, such as a clock
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
  /** The ranking, and all other rules that the evaluator is given. */
  readonly rules: Readonly<Record<string, unknown>>;
  /** Carries out the evaluation. */
  readonly evaluate: () => Promise<Evaluation>;
}

/**
 * Returns an evaluation from the records. If it is not there, carries it out
 * and records it.
 */
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

/**
 * What a store of trials is, wherever it keeps them. `sqlite_store.ts` is one;
 * another may be a server's, or a browser's.
 */

import type { Evaluation } from "../search/evaluate.ts";

/**
 * All that the trials of a search depend on: two searches of equal identity go
 * through the same trials. It must be JSON.
 */
export interface StudyIdentity {
  /** What tells the model's weights from others, such as a hash. */
  readonly model: string;
  /** What tells the calibration questions from others. */
  readonly questions: string;
  /** The search, such as "G-Search". */
  readonly search: string;
  /** Criterion or budget, rules, seed, and whatever else it takes. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What an evaluation depends on; the same values mean the same evaluation. */
export interface EvaluationKey {
  /** What tells the model's weights from others, such as a hash. */
  readonly model: string;
  /** What tells the questions from others. */
  readonly questions: string;
  /** Keep counts of all layers, shape [L]. */
  readonly schedule: readonly number[];
  /** How tokens are ranked, and whatever else results depend on. */
  readonly rules: Readonly<Record<string, unknown>>;
}

/** How a study is opened. */
export interface StudyOptions {
  /** What people call it; no other study of the store has that name. */
  readonly name?: string;
  /** A line that tells people what is searched. Default: the search. */
  readonly description?: string;
  /**
   * Called once when another process runs this study; the study is then opened
   * when that process has ended or released it. Without it
   * {@linkcode StudyBusyError} is thrown.
   */
  readonly onWait?: (holder: StudyHolder) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

/** Who runs a study. */
export interface StudyHolder {
  /** Its process id, which tells nothing outside its container. */
  readonly pid: number;
  /** Since when, in ISO 8601, UTC. */
  readonly since: string;
}

/** Another process runs the study. */
export class StudyBusyError extends Error {
  /** The name of the class. */
  override readonly name = "StudyBusyError";
  /** Who that is. */
  readonly holder: StudyHolder;

  /** Says which study is run, and by whom. */
  constructor(study: string, holder: StudyHolder) {
    super(
      `Cannot run ${study} as process ${holder.pid} has run it since ${holder.since}`,
    );
    this.holder = holder;
  }
}

/** What may be kept with a trial. */
export interface TrialDetails {
  /** What the model made of each sample. */
  readonly evaluation?: Evaluation;
  /**
   * The search after this trial, JSON, in place of that after the trial before:
   * for searches that take long to get there again from their trials.
   */
  readonly state?: unknown;
}

/** A study that this process runs, and no other does until it is released. */
export interface StoredStudy<Trial> {
  /** Its number in the store, from 1 on. */
  readonly number: number;
  /** The trials that were recorded before it was opened, in order. */
  readonly recorded: readonly Trial[];
  /** The search after the last of them; null where it was not kept. */
  readonly state: unknown;
  /**
   * Records the next trial. When the promise resolves, the trial outlives the
   * process, and a power cut.
   *
   * @param trial A plain record, JSON.
   * @param details What to keep with it.
   */
  append(trial: Trial, details?: TrialDetails): Promise<void>;
  /**
   * Records trials from elsewhere, all of them or none. The study must have no
   * trials yet; `recorded` does not show them.
   *
   * @param trials Plain records from the first trial on, in order.
   */
  takeOver(trials: readonly Trial[]): Promise<void>;
  /** Lets other processes run it. Nothing can be appended after that. */
  release(): Promise<void>;
}

/** A study as a list shows it. */
export interface StudySummary {
  /** Its number in the store. */
  readonly number: number;
  /** What people call it; null where it has no name. */
  readonly name: string | null;
  /** What is searched, in a line. */
  readonly description: string;
  /** What its trials depend on. */
  readonly identity: StudyIdentity;
  /** The version of the program that began it. */
  readonly program: string;
  /** When that was, in ISO 8601, UTC. */
  readonly created: string;
  /** How many trials it has. */
  readonly trials: number;
  /** Who runs it; null where nobody does. */
  readonly holder: StudyHolder | null;
}

/** Studies with their trials, and evaluations. Several processes may share it. */
export interface TrialStore {
  /**
   * Opens the study of an identity, which is begun where there is none.
   *
   * @param identity What its trials depend on.
   * @param options Its name, and what happens while another process runs it.
   * @returns The study, with what is recorded of it.
   * @throws {StudyBusyError} If another process runs it.
   * @throws {RangeError} If the name is another study's, or a recorded trial is
   *   not as it was recorded.
   */
  study<Trial>(
    identity: StudyIdentity,
    options?: StudyOptions,
  ): Promise<StoredStudy<Trial>>;
  /**
   * What the model made of each sample in a trial.
   *
   * @param study The study's number.
   * @param trial The trial's number, from 0 on.
   * @returns The evaluation; null where none was kept.
   * @throws {RangeError} If it is not as it was recorded.
   */
  trialEvaluation(study: number, trial: number): Promise<Evaluation | null>;
  /**
   * An evaluation that was kept.
   *
   * @param key What it depends on.
   * @returns The evaluation; null where there is none.
   * @throws {RangeError} If it is not as it was kept.
   */
  evaluation(key: EvaluationKey): Promise<Evaluation | null>;
  /**
   * Keeps an evaluation, in place of an older one of that key.
   *
   * @param key What it depends on.
   * @param evaluation Complete results.
   */
  keepEvaluation(key: EvaluationKey, evaluation: Evaluation): Promise<void>;
  /**
   * Studies, in the order in which they were begun.
   *
   * @param name Those of that name, and those whose names go on with "/" after
   *   it. Default: all.
   */
  list(name?: string): Promise<StudySummary[]>;
  /**
   * Studies as JSON Lines: each as one line with `study`, `name`,
   * `description`, `program`, `created` and `identity`, followed by one line
   * with `study`, `number` and `trial` for each of its trials.
   *
   * @param name As in `list`.
   * @returns The lines, each with its newline.
   * @throws {RangeError} If there is no study of that name, or a trial is not as
   *   it was recorded.
   */
  exportLines(name?: string): AsyncIterable<string>;
  /** Releases all studies, and lets go of the store. */
  close(): Promise<void>;
}

/**
 * The interface of a store of trials, wherever it keeps them. `sqlite_store.ts`
 * implements it; a server or a browser's storage could be another
 * implementation.
 */

import type { Evaluation } from "../search/evaluate.ts";

/**
 * Everything that the trials of a search depend on. Two searches of equal
 * identity go through the same trials. It must be JSON.
 */
export interface StudyIdentity {
  /** A value that identifies the model's weights, such as a hash. */
  readonly model: string;
  /** A value that identifies the calibration questions. */
  readonly questions: string;
  /** The search, such as "G-Search". */
  readonly search: string;
  /** The criterion or budget, the rules, the seed, and all other options. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Everything that an evaluation depends on. Equal values mean an equal
 * evaluation.
 */
export interface EvaluationKey {
  /** A value that identifies the model's weights, such as a hash. */
  readonly model: string;
  /** A value that identifies the questions. */
  readonly questions: string;
  /** Keep counts of all layers, shape [L]. */
  readonly schedule: readonly number[];
  /** The ranking, and all other rules that results depend on. */
  readonly rules: Readonly<Record<string, unknown>>;
}

/** The options for opening a study. */
export interface StudyOptions {
  /** The name of the study, which no other study of the store has. */
  readonly name?: string;
  /**
   * A line that describes the search to people. Default: the name of the
   * search.
   */
  readonly description?: string;
  /**
   * Called once if another process runs this study. The study is then opened
   * when that process has ended or released it. Without this callback,
   * {@linkcode StudyBusyError} is thrown.
   */
  readonly onWait?: (holder: StudyHolder) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

/** The process that runs a study. */
export interface StudyHolder {
  /** Its process id, which means nothing outside its container. */
  readonly pid: number;
  /** When it began, in ISO 8601, UTC. */
  readonly since: string;
}

/** Another process runs the study. */
export class StudyBusyError extends Error {
  /** The name of the class. */
  override readonly name = "StudyBusyError";
  /** The process that runs the study. */
  readonly holder: StudyHolder;

  /** Says which study is run, and by whom. */
  constructor(study: string, holder: StudyHolder) {
    super(
      `Cannot run ${study} as process ${holder.pid} has run it since ${holder.since}`,
    );
    this.holder = holder;
  }
}

/** The details that may be kept with a trial. */
export interface TrialDetails {
  /** The results of each sample. */
  readonly evaluation?: Evaluation;
  /**
   * The state of the search after this trial, as JSON. It replaces the state
   * after the trial before. It is for searches that take long to rebuild their
   * state from their trials.
   */
  readonly state?: unknown;
}

/**
 * A study that this process runs. No other process runs it until it is
 * released.
 */
export interface StoredStudy<Trial> {
  /** Its number in the store, from 1 on. */
  readonly number: number;
  /** The trials that were recorded before it was opened, in order. */
  readonly recorded: readonly Trial[];
  /**
   * The state of the search after the last of them; null if it was not kept.
   */
  readonly state: unknown;
  /**
   * Records the next trial. Once the promise resolves, the trial outlives the
   * process and a power cut.
   *
   * @param trial A plain record, JSON.
   * @param details Details to keep with it.
   */
  append(trial: Trial, details?: TrialDetails): Promise<void>;
  /**
   * Records trials from elsewhere, either all of them or none. The study must
   * have no trials yet. `recorded` does not show them.
   *
   * @param trials Plain records from the first trial on, in order.
   */
  takeOver(trials: readonly Trial[]): Promise<void>;
  /**
   * Releases the study to other processes. Nothing can be appended after that.
   */
  release(): Promise<void>;
}

/** A study as a list shows it. */
export interface StudySummary {
  /** Its number in the store. */
  readonly number: number;
  /** The name of the study; null if it has none. */
  readonly name: string | null;
  /** The description of the search, in one line. */
  readonly description: string;
  /** Everything that its trials depend on. */
  readonly identity: StudyIdentity;
  /** The version of the program that began it. */
  readonly program: string;
  /** When it was begun, in ISO 8601, UTC. */
  readonly created: string;
  /** How many trials it has. */
  readonly trials: number;
  /** The process that runs it; null if no process does. */
  readonly holder: StudyHolder | null;
}

/** Studies with their trials, and evaluations. Several processes may share it. */
export interface TrialStore {
  /**
   * Opens the study of an identity, and begins it if there is none.
   *
   * @param identity Everything that its trials depend on.
   * @param options The name of the study, and what happens while another
   *   process runs it.
   * @returns The study, with its records.
   * @throws {StudyBusyError} If another process runs it.
   * @throws {RangeError} If the name is another study's, or a recorded trial is
   *   not as it was recorded.
   */
  study<Trial>(
    identity: StudyIdentity,
    options?: StudyOptions,
  ): Promise<StoredStudy<Trial>>;
  /**
   * The results of each sample in a trial.
   *
   * @param study The study's number.
   * @param trial The trial's number, from 0 on.
   * @returns The evaluation; null if none was kept.
   * @throws {RangeError} If it is not as it was recorded.
   */
  trialEvaluation(study: number, trial: number): Promise<Evaluation | null>;
  /**
   * An evaluation that was kept.
   *
   * @param key The values that it depends on.
   * @returns The evaluation; null if there is none.
   * @throws {RangeError} If it is not as it was kept.
   */
  evaluation(key: EvaluationKey): Promise<Evaluation | null>;
  /**
   * Keeps an evaluation. It replaces an older one of the same key.
   *
   * @param key The values that it depends on.
   * @param evaluation Complete results.
   */
  keepEvaluation(key: EvaluationKey, evaluation: Evaluation): Promise<void>;
  /**
   * Lists studies in the order in which they were begun.
   *
   * @param name Selects the study of that name, and those whose names continue
   *   with "/" after it. Default: all.
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
  /** Releases all studies, and closes the store. */
  close(): Promise<void>;
}

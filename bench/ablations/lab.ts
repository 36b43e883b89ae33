/**
 * Shared by the sections of the ablations: the embedded model (or another), its
 * calibration and held-out questions, and searches, each of which runs once for
 * all sections.
 */

import {
  createRandom,
  meanKeepingRate,
  type Schedule,
} from "../../core/mod.ts";
import { accuracy } from "../../eval/mod.ts";
import { formatDifference, formatPercent } from "../../report/mod.ts";
import {
  accuracyDifference,
  type Criterion,
  type Evaluate,
  gSearch,
  type GSearchResult,
  pSigmoid,
  type WarmStart,
} from "../../search/mod.ts";
import {
  type Calibration,
  defaultFirstLayer,
  type Judge,
  LEAST_FIRST_LAYER,
  loadModel,
  loadQuestions,
  loadQuestionSets,
  openCalibration,
  openStudy,
  type QuestionSet,
  type Run,
  type Study,
  warmStartOf,
} from "../../study/mod.ts";
import { createStatusLine } from "../progress.ts";

/** Sizes of the runs. */
export interface LabOptions {
  /** Directory of the model; null for the embedded one. */
  readonly model: string | null;
  readonly calibration: number;
  readonly heldout: number;
  /** Schedules that P-Sigmoid tries at each budget. */
  readonly evaluations: number;
  /** Tolerance of G-Search by the criterion bound, in points. */
  readonly epsilon: number;
}

/** A model, ready for searches and for evaluating their schedules. */
export interface Lab extends Disposable {
  readonly study: Study;
  /** The criterion bound. */
  readonly criterion: Criterion;
  /** Schedules that P-Sigmoid tries at each budget. */
  readonly evaluations: number;
  /** First layer that G-Search may reduce. */
  readonly firstLayer: number;
  /** A number of calibration questions, and the full model's evaluation. */
  ask(count: number, seed: number): Promise<Calibration>;
  /** The same for given questions. */
  askThese(questions: QuestionSet): Promise<Calibration>;
  /** G-Search on all calibration questions; run once for the same options. */
  gSearch(options?: Partial<GSearchChoice>): Promise<GSearchResult>;
  /** P-Sigmoid on them at a mean keeping rate; run once for each. */
  pSigmoid(rate: number): Promise<Schedule>;
}

/** Options of G-Search that are compared. */
export interface GSearchChoice {
  readonly criterion: Criterion;
  readonly firstLayer: number;
}

/** Loads the model and its questions, and starts workers. */
export async function openLab(
  { model, calibration, heldout, evaluations, epsilon }: LabOptions,
): Promise<Lab> {
  const loaded = await loadModel(model, { device: "cpu" });
  const sets = await loadQuestionSets(loaded, {
    calibration: { count: calibration },
    heldout: { count: heldout },
  });
  const opened = await openStudy(loaded, sets, { status: createStatusLine() });
  const study: Study = { ...opened, judge: judgeOnce(opened.judge) };
  const criterion: Criterion = { kind: "bound", epsilon };
  const firstLayer = defaultFirstLayer(shapeOf(study).layers);

  const gSearchOnce = once((choice: GSearchChoice) => {
    const { evaluate, full } = study.onCalibration;
    return finish(gSearch(evaluate, { ...shapeOf(study), ...choice, full }));
  });
  const lab: Lab = {
    study,
    criterion,
    evaluations,
    firstLayer,
    async ask(count, seed) {
      const source = { count };
      const set = await loadQuestions(loaded, source, "calibration", seed);
      return await lab.askThese(set);
    },
    askThese: (calibration) => openCalibration(calibration, study),
    gSearch: (choice = {}) => gSearchOnce({ criterion, firstLayer, ...choice }),
    pSigmoid: once(async (rate) => {
      const { schedule } = await lab.gSearch();
      return await searchPSigmoid(study, {
        rate,
        evaluations,
        seed: 0,
        evaluate: study.onCalibration.evaluateAnew,
        warmStart: [warmStartOf(schedule, { firstLayer })],
      });
    }),
    [Symbol.dispose]: () => study[Symbol.dispose](),
  };
  return lab;
}

/** A judge that runs no schedule twice. */
function judgeOnce(judge: Judge): Judge {
  const known = new Map<string, Run>();
  return async (name, schedule, reduction) => {
    const { ranking, positions } = reduction;
    const key = `${ranking} ${positions} ${schedule.keep}`;
    const run = known.get(key) ?? await judge(name, schedule, reduction);
    known.set(key, run);
    return { ...run, name };
  };
}

/** A function that computes no result twice. */
function once<T, R>(compute: (x: T) => Promise<R>): (x: T) => Promise<R> {
  const known = new Map<string, Promise<R>>();
  return (x) => {
    const key = JSON.stringify(x);
    const result = known.get(key) ?? compute(x);
    known.set(key, result);
    return result;
  };
}

/** Depth and vision tokens of the model. */
export function shapeOf(
  { loaded: { model: { config } } }: Study,
): { layers: number; visionTokens: number } {
  const { visionTokens, decoder: { layers } } = config;
  return { layers, visionTokens };
}

/** Runs a search to its end. */
export async function finish<T, R>(
  search: AsyncGenerator<T, R, void>,
): Promise<R> {
  let step = await search.next();
  while (!step.done) step = await search.next();
  return step.value;
}

/** Options of {@linkcode searchPSigmoid}. */
export interface PSigmoidChoice {
  readonly evaluate: Evaluate;
  /** Mean keeping rate. */
  readonly rate: number;
  readonly evaluations: number;
  readonly seed: number;
  readonly warmStart?: readonly WarmStart[];
}

/** P-Sigmoid as search.ts runs it. */
export async function searchPSigmoid(
  study: Study,
  { evaluate, rate, ...options }: PSigmoidChoice,
): Promise<Schedule> {
  const { layers, visionTokens } = shapeOf(study);
  const { schedule } = await finish(pSigmoid(evaluate, {
    layers,
    visionTokens,
    ...options,
    firstLayer: LEAST_FIRST_LAYER,
    lastFirstLayer: layers - 1,
    budget: { kind: "rate", limit: rate },
  }));
  return schedule;
}

/** The cells of a run in a table. */
export function formatAccuracy({ evaluation }: Run): string {
  return formatPercent(accuracy(evaluation.samples), 2);
}

/** Its difference from another, paired, in points with its interval. */
export function formatAgainst(run: Run, reference: Run): string {
  return formatDifference(
    accuracyDifference(run.evaluation, reference.evaluation, {
      random: createRandom(0).uniform,
    }),
  );
}

/** Mean keeping rate and keep counts of a schedule, as two cells. */
export function scheduleCells(schedule: Schedule): [string, string] {
  return [meanKeepingRate(schedule).toFixed(3), schedule.keep.join(" ")];
}

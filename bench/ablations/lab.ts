/**
 * What the sections of the ablations share: the embedded model (or another), its
 * calibration and held-out questions, and searches that are run once however
 * many sections want their result.
 */

import { createOutput } from "../../cli/output.ts";
import { openEvaluators } from "../../study/evaluators.ts";
import { type LoadedModel, loadModel } from "../../study/load.ts";
import {
  parseOptions,
  type SearchOptions,
  type SettledOptions,
  settleOptions,
} from "../../cli/options.ts";
import { loadQuestions, type QuestionSet } from "../../cli/questions.ts";
import type { Run } from "../../cli/compare.ts";
import { warmStartOf } from "../../cli/scenario2.ts";
import {
  type Calibration,
  createJudge,
  type Judge,
  openCalibration,
  type Setup,
} from "../../cli/setup.ts";
import {
  createRandom,
  fullSchedule,
  meanKeepingRate,
  type ReductionOptions,
  type Schedule,
} from "../../core/mod.ts";
import { accuracy, type Evaluators } from "../../eval/mod.ts";
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

/** How large everything is. */
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

/** A model, ready for searches and for judging what they find. */
export interface Lab extends Disposable {
  readonly setup: Setup;
  /** The criterion bound. */
  readonly criterion: Criterion;
  /** The paper's rule. */
  readonly own: Required<ReductionOptions>;
  /** So many calibration questions, and how the full model answers them. */
  ask(count: number, seed: number): Promise<Calibration>;
  /** The same for questions at hand. */
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
  const { layers } = loaded.model.config.decoder;
  const options = settleOptions(
    parseOptions([
      ...["--scenario=both", `--epsilon=${epsilon}`],
      ...[`--calibration=${calibration}`, `--heldout=${heldout}`],
      `--evaluations=${evaluations}`,
    ]) as SearchOptions,
    layers,
  );
  const pool = await openEvaluators(loaded);
  const setup = await openSetup(pool, loaded, options);
  const { ranking, positions, criterion, firstLayer } = options;

  const gSearchOnce = once(({ criterion, firstLayer }: GSearchChoice) => {
    const { evaluate, full } = setup.onCalibration;
    return finish(gSearch(evaluate, {
      ...shapeOf(setup),
      ...{ criterion, firstLayer, full },
    }));
  });
  const lab: Lab = {
    setup,
    criterion,
    own: { ranking, positions },
    async ask(count, seed) {
      const source = { count };
      const set = await loadQuestions(loaded, source, "calibration", seed);
      return await lab.askThese(set);
    },
    askThese: (calibration) => openCalibration(pool, { ...setup, calibration }),
    gSearch: (choice = {}) => gSearchOnce({ criterion, firstLayer, ...choice }),
    pSigmoid: once(async (rate) => {
      const { schedule } = await lab.gSearch();
      return await searchPSigmoid(setup, {
        ...{ rate, evaluations, seed: 0 },
        evaluate: setup.onCalibration.evaluateAnew,
        warmStart: [warmStartOf(schedule, options)],
      });
    }),
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
  return lab;
}

async function openSetup(
  pool: Evaluators,
  loaded: LoadedModel,
  options: SettledOptions,
): Promise<Setup> {
  const { signal } = new AbortController();
  const load = (split: "calibration" | "heldout"): Promise<QuestionSet> =>
    loadQuestions(loaded, options[split], split, 0);
  const calibration = await load("calibration");
  const heldout = await load("heldout");
  const { visionTokens, decoder: { layers } } = loaded.model.config;
  const base = {
    ...{ loaded, options, calibration, heldout, visionTokens, signal },
    metric: null,
    output: createOutput(),
  };
  const onCalibration = await openCalibration(pool, base);
  const judge = judgeOnce(
    createJudge(pool, heldout, { signal, ...base.output }),
  );
  const { ranking, positions } = options;
  const everything = fullSchedule(layers, visionTokens);
  const full = await judge("full model", everything, { ranking, positions });
  return { ...base, onCalibration, judge, full };
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
  { loaded: { model: { config } } }: Setup,
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

/** What {@linkcode searchPSigmoid} is told. */
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
  setup: Setup,
  { evaluate, rate, ...options }: PSigmoidChoice,
): Promise<Schedule> {
  const { layers, visionTokens } = shapeOf(setup);
  const { schedule } = await finish(pSigmoid(evaluate, {
    ...{ layers, visionTokens, ...options },
    ...{ firstLayer: 1, lastFirstLayer: layers - 1 },
    budget: { kind: "rate", limit: rate },
  }));
  return schedule;
}

/** What tables say of a run. */
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

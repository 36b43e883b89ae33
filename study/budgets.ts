/** The cost of schedules, and the comparison of methods at one budget. */

import { fullSchedule, type ModelConfig, type Schedule } from "../core/mod.ts";
import {
  attentionShares,
  timeDecode,
  withdrawalDivergence,
} from "../eval/mod.ts";
import {
  type AttentionByRank,
  type BaselineMethod,
  baselines,
  type Budget,
  constantFamily,
  costOf,
  fitSigmoid,
  type WarmStart,
} from "../search/mod.ts";
import { type ComparedRun, compareRuns, timeRuns } from "./compare.ts";
import { modelShape } from "./shape.ts";
import type { Run, Status, Study } from "./study.ts";

/** A budget as the user states it, for any model. */
export interface BudgetChoice {
  /** The quantity that is limited. */
  readonly kind: Budget["kind"];
  /** The share of the full model's cost, in (0, 1). */
  readonly share: number;
}

/**
 * A budget for a certain model. FLOPs are those of the decoder, because no
 * schedule changes the computation before it.
 *
 * @param tokens of a mean question, and of the image with most tiles
 */
export function settleBudget(
  { kind, share }: BudgetChoice,
  config: ModelConfig,
  { textTokens, visionTokens }: {
    readonly textTokens: number;
    readonly visionTokens: number;
  },
): Budget {
  if (kind === "rate") return { kind, limit: share };
  const model = { ...modelShape(config), visionFlops: 0 };
  const budget: Budget = kind === "flops"
    ? { kind, limit: 0, model, textTokens }
    : { kind, limit: 0, model, textTokens, bytesPerElement: 4 };
  const full = fullSchedule(config.decoder.layers, visionTokens);
  return { ...budget, limit: share * costOf(full, budget) };
}

/**
 * The cost of the smallest schedule that keeps all vision tokens before a
 * layer.
 */
export function leastCost(
  { loaded, visionTokens }: Pick<Study, "loaded" | "visionTokens">,
  budget: Budget,
  firstLayer: number,
): number {
  const { layers } = loaded.model.config.decoder;
  const { at, low } = constantFamily({ layers, visionTokens, firstLayer });
  return costOf(at(low), budget);
}

/** The sigmoid closest to G-Search's schedule. */
export function warmStartOf(
  gSearch: Schedule,
  { firstLayer }: { readonly firstLayer: number },
): WarmStart {
  const { sigmoid: { k, a } } = fitSigmoid(gSearch, firstLayer);
  return { k, a, firstLayer };
}

/** The number of calibration questions that statistics are averaged over. */
const STATISTICS_SAMPLES = 128;

/** The statistics that FitPrune and VTW need before they reduce. */
export interface Statistics {
  /** FitPrune's attention shares. */
  readonly attention: () => Promise<AttentionByRank>;
  /** VTW's divergence at each layer, in nats, shape [L]. */
  readonly divergence: () => Promise<number[]>;
}

/** Provides the statistics. Each is computed when it is first asked for. */
export function statisticsOf(
  { loaded: { model }, calibration, signal }: Study,
  status: Status,
): Statistics {
  const set = {
    images: calibration.images,
    samples: calibration.samples.slice(0, STATISTICS_SAMPLES),
  };
  const options = {
    signal,
    onProgress: (done: number, total: number) =>
      status.show(`statistics of ${done} of ${total} calibration questions`),
  };
  const take = async <T>(statistics: Promise<T>): Promise<T> => {
    try {
      return await statistics;
    } finally {
      status.clear();
    }
  };
  return {
    attention: () => take(attentionShares(model, set, options)),
    divergence: () => take(withdrawalDivergence(model, set, options)),
  };
}

/** A run at a budget. Differences are relative to P-Sigmoid. */
export interface BudgetRun extends ComparedRun {
  /** Measured decoding time, in milliseconds per token. */
  readonly decodeMilliseconds: number;
}

/** A method that cannot meet a budget. */
export interface Unmet {
  /** The method. */
  readonly name: string;
  /** The cost of its smallest schedule, in the unit of the budget's share. */
  readonly share: number;
}

/** The result at one budget. */
export interface BudgetOutcome {
  /** The budget. */
  readonly choice: BudgetChoice;
  /**
   * P-Sigmoid's run first, the full model's last; empty if P-Sigmoid cannot
   * meet the budget.
   */
  readonly runs: readonly BudgetRun[];
  /** Methods that cannot meet it. */
  readonly unmet: readonly Unmet[];
}

/** The schedules and methods compared at a budget. */
export interface Contenders {
  /** The budget. */
  readonly budget: Budget;
  /** First layer that may be reduced. */
  readonly firstLayer: number;
  /** P-Sigmoid's schedule. */
  readonly found: Schedule;
  /** G-Search's schedule, to be rescaled; null if there is none. */
  readonly gSearch: Schedule | null;
  /** The statistics of FitPrune; null if FitPrune is not wanted. */
  readonly attention: AttentionByRank | null;
  /** The methods to compare with. */
  readonly methods: readonly BaselineMethod[];
  /** Other schedules by name, ranked as P-Sigmoid's is. Default: none. */
  readonly others?: Readonly<Record<string, Schedule>>;
}

/**
 * Judges all schedules of a budget on the held-out questions: P-Sigmoid's
 * first, the full model last.
 */
export async function compareAtBudget(
  study: Study,
  choice: BudgetChoice,
  { budget, firstLayer, found, gSearch, attention, methods, others = {} }:
    Contenders,
): Promise<BudgetOutcome> {
  const { loaded, visionTokens, rules, judge, full } = study;
  const { layers } = loaded.model.config.decoder;
  const { contenders, leftOut } = baselines({
    layers,
    visionTokens,
    firstLayer,
    budget,
    ...rules,
    ...attention && { attention },
    ...gSearch && { gSearch },
    pSigmoid: found,
  });
  const wanted = ({ method }: { method: BaselineMethod }): boolean =>
    methods.includes(method);
  const judged: Run[] = [await judge("P-Sigmoid", found, rules)];
  for (const [name, schedule] of Object.entries(others)) {
    judged.push(await judge(name, schedule, rules));
  }
  for (const { name, schedule, ...rest } of contenders.filter(wanted)) {
    const { ranking, positions } = rest;
    judged.push(await judge(name, schedule, { ranking, positions }));
  }
  judged.push(full);
  const compared = await compareRuns(study, judged);
  const decode = await timeRuns(timeDecode, study, judged);
  return {
    choice,
    runs: compared.map((run, i) => ({ ...run, decodeMilliseconds: decode[i] })),
    unmet: leftOut.filter(wanted).map(({ name, leastCost }) => ({
      name,
      share: choice.share * leastCost / budget.limit,
    })),
  };
}

/**
 * The methods that a search has to beat at the same budget (docs/method.md,
 * "Other methods"). They are the methods that reduce tokens inside the decoder,
 * and the controls. Each method is a schedule solved for the budget and a rule
 * that ranks the tokens.
 *
 * A method says only how many tokens stay and which rule ranks them. SparseVLM
 * also merges removed tokens into new ones ("recycling"); this is left out,
 * because a schedule cannot express it.
 */

// This module is browser compatible.

import type { Ranking } from "../core/ranking.ts";
import type { Schedule } from "../core/schedule.ts";
import {
  type Budget,
  costOf,
  type ScheduleFamily,
  solveBudget,
} from "./budget.ts";
import {
  constantFamily,
  type FamilyShape,
  rescaledFamily,
  settleShape,
  stagedFamily,
  vtwFamily,
} from "./schedule_families.ts";
import { type AttentionByRank, fitPruneFamily } from "./fitprune.ts";

/** All methods, in the order in which {@linkcode baselines} returns them. */
export const BASELINE_METHODS = [
  "fastv",
  "pyramiddrop",
  "vtw",
  "fitprune",
  "sparsevlm",
  "gsearch",
  "constant",
  "psigmoid",
] as const;

/**
 * A method. Five are published methods, one is G-Search's schedule rescaled.
 * The controls are a constant rate, and P-Sigmoid's keep counts with a ranking
 * that ignores attention.
 */
export type BaselineMethod = typeof BASELINE_METHODS[number];

/** A method to compare with, as instructions for the decoder. */
export interface Contender {
  /** The method. */
  readonly method: BaselineMethod;
  /** Name of the method and its variant, as tables show it. */
  readonly name: string;
  /** Keep counts that meet the budget. */
  readonly schedule: Schedule;
  /** Rule that ranks the tokens. */
  readonly ranking: Ranking;
  /** Whether the kept tokens keep their position ids or are numbered anew. */
  readonly positions: "original" | "reindexed";
}

/** A method that cannot meet the budget. */
export interface LeftOut {
  /** The method. */
  readonly method: BaselineMethod;
  /** Name of the method and its variant, as tables show it. */
  readonly name: string;
  /** Cost of its least schedule, in the unit of the budget. */
  readonly leastCost: number;
}

/** Options of {@linkcode baselines}. */
export interface BaselineOptions extends FamilyShape {
  /** Limit on the cost of each schedule. */
  readonly budget: Budget;
  /**
   * Attention of the unreduced model. FitPrune is included only if it is given.
   */
  readonly attention?: AttentionByRank;
  /**
   * G-Search's schedule, full before `firstLayer`. It is rescaled to the
   * budget.
   */
  readonly gSearch?: Schedule;
  /**
   * P-Sigmoid's schedule at this budget. The controls rank its tokens at random
   * and evenly.
   */
  readonly pSigmoid?: Schedule;
  /**
   * Ranking for the schedules that do not define one: G-Search's and the
   * constant rate. It is the ranking that P-Sigmoid uses. Default
   * "instruction".
   */
  readonly ranking?: Ranking;
  /** Treatment of position ids for the same schedules. Default "original". */
  readonly positions?: Contender["positions"];
}

/** All methods at one budget. */
export interface Baselines {
  /** Methods that meet the budget. */
  readonly contenders: readonly Contender[];
  /** Methods whose least schedule exceeds the budget. */
  readonly leftOut: readonly LeftOut[];
}

/** Rankings that do not look at the image. */
const CONTROLS = ["random", "uniform"] as const;

/** A method before its schedule is solved. */
interface Method extends Omit<Contender, "schedule"> {
  readonly family: ScheduleFamily;
}

/**
 * Solves every method for a budget. FitPrune, G-Search and P-Sigmoid are left
 * out where the options lack their input.
 *
 * @param options Depth, vision tokens, first layer, budget, and the inputs of
 * some methods.
 * @returns The methods that meet the budget, in a fixed order, and the methods
 * that cannot.
 * @throws {RangeError} If a number is out of range.
 * @throws {TypeError} If `attention` does not have the shape [L][N], or a
 * schedule does not have L layers and N vision tokens.
 */
export function baselines(options: BaselineOptions): Baselines {
  const { budget, pSigmoid, positions = "original" } = options;
  checkShapes(options);
  const contenders: Contender[] = [];
  const leftOut: LeftOut[] = [];
  for (const { family, ...rest } of allMethods(options)) {
    const leastCost = costOf(family.at(family.low), budget);
    if (leastCost > budget.limit) {
      leftOut.push({ method: rest.method, name: rest.name, leastCost });
    } else {
      const { schedule } = solveBudget(family, budget);
      contenders.push({ ...rest, schedule });
    }
  }
  if (pSigmoid !== undefined) {
    for (const ranking of CONTROLS) {
      contenders.push({
        method: "psigmoid",
        name: `P-Sigmoid, ${ranking}`,
        schedule: pSigmoid,
        ranking,
        positions,
      });
    }
  }
  return { contenders, leftOut };
}

function checkShapes(
  { layers, visionTokens, attention, gSearch, pSigmoid }: BaselineOptions,
): void {
  const shapes = {
    attention: attention &&
      [attention.cross.length, attention.cross[0]?.length],
    gSearch: gSearch && [gSearch.keep.length, gSearch.visionTokens],
    pSigmoid: pSigmoid && [pSigmoid.keep.length, pSigmoid.visionTokens],
  };
  for (const [name, shape] of Object.entries(shapes)) {
    if (shape && (shape[0] !== layers || shape[1] !== visionTokens)) {
      throw new TypeError(
        `Cannot compare methods as ${name} must be of ${layers} layers and ${visionTokens} vision tokens: current shape is [${shape}]`,
      );
    }
  }
}

function allMethods(options: BaselineOptions): Method[] {
  const { attention, gSearch } = options;
  const { ranking = "instruction", positions = "original" } = options;
  const { layers, visionTokens, firstLayer } = settleShape(options);
  const family = constantFamily(options);
  return [
    fastv(options),
    {
      method: "pyramiddrop",
      name: "PyramidDrop",
      family: stagedFamily({
        layers,
        visionTokens,
        stages: pyramidDropStages(layers),
      }),
      ranking: "next",
      positions: "reindexed",
    },
    {
      // VTW drops all tokens at once, so it never uses its ranking.
      method: "vtw",
      name: "VTW",
      family: vtwFamily(layers, visionTokens),
      ranking: "instruction",
      positions: "original",
    },
    ...attention === undefined ? [] : [
      {
        method: "fitprune",
        name: "FitPrune",
        family: fitPruneFamily(attention),
        ranking: "self_cross",
        positions: "original",
      } as const,
    ],
    {
      method: "sparsevlm",
      name: "SparseVLM",
      family: stagedFamily({
        layers,
        visionTokens,
        stages: sparseVlmStages(layers),
      }),
      ranking: "raters",
      positions: "reindexed",
    },
    ...gSearch === undefined ? [] : [
      {
        method: "gsearch",
        name: "G-Search, rescaled",
        family: rescaledFamily(gSearch, firstLayer),
        ranking,
        positions,
      } as const,
    ],
    { method: "constant", name: "constant rate", family, ranking, positions },
    ...CONTROLS.map((control) => ({
      method: "constant",
      name: `constant rate, ${control}`,
      family,
      ranking: control,
      positions,
    } as const)),
  ];
}

/**
 * FastV with K = 2 and R solved for the budget. K becomes 1 where two full
 * layers alone cost too much. R gives way before K, because FastV is known for
 * its K (our decision).
 */
function fastv({ budget, ...shape }: BaselineOptions): Method {
  const withK = (K: number): Method => ({
    method: "fastv",
    name: `FastV K=${K}`,
    family: constantFamily({ ...shape, firstLayer: K }),
    ranking: "last",
    positions: "original",
  });
  if (shape.layers === 2) return withK(1);
  const { family } = withK(2);
  const meets = costOf(family.at(family.low), budget) <= budget.limit;
  return withK(meets ? 2 : 1);
}

/**
 * Stages begin after a quarter, half and three quarters of the layers. The
 * budget sets the ratio λ between stages, which is .5 in PyramidDrop. It never
 * moves the stages.
 */
function pyramidDropStages(layers: number): number[] {
  return [1, 2, 3].map((s) => Math.max(1, Math.floor(s * layers / 4)));
}

/**
 * Stages begin after the layers 2, 6 and 15 of 32, scaled to the depth. In
 * SparseVLM the number of kept tokens depends on the rank of each sample's
 * attention. A schedule is the same for all samples, so one ratio per stage is
 * solved instead (our decision). The 300, 200 and 110 of 576 tokens in
 * SparseVLM's code are close to such a sequence.
 */
function sparseVlmStages(layers: number): number[] {
  return [2, 6, 15].map((last) =>
    Math.max(1, Math.round((last + 1) * layers / 32))
  );
}

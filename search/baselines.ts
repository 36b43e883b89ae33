/**
 * What a search has to beat at the same budget (docs/method.md, "Other methods"):
 * each method that reduces tokens inside the decoder, and the controls, as a
 * schedule solved for the budget plus the rule that ranks the tokens.
 *
 * Only how many and by which rule. SparseVLM's merging of removed tokens into
 * new ones ("recycling") is left out: a schedule has no place for it.
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

/** All methods, in the order of their results. */
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
 * A method: five that were published, G-Search's schedule rescaled, and as
 * controls a constant rate, and P-Sigmoid's counts without ranking by attention.
 */
export type BaselineMethod = typeof BASELINE_METHODS[number];

/** A method to compare with: what the decoder is to do. */
export interface Contender {
  /** The method. */
  readonly method: BaselineMethod;
  /** What a table calls it, and which variant it is. */
  readonly name: string;
  /** Keep counts that meet the budget. */
  readonly schedule: Schedule;
  /** By what tokens are ranked. */
  readonly ranking: Ranking;
  /** Whether survivors keep their position ids or are numbered anew. */
  readonly positions: "original" | "reindexed";
}

/** A method that cannot meet the budget. */
export interface LeftOut {
  /** The method. */
  readonly method: BaselineMethod;
  /** What a table calls it, and which variant it is. */
  readonly name: string;
  /** What its least schedule costs, in the unit of the budget. */
  readonly leastCost: number;
}

/** Options of {@linkcode baselines}. */
export interface BaselineOptions extends FamilyShape {
  /** What each schedule may cost. */
  readonly budget: Budget;
  /** Attention of the unreduced model, for FitPrune. */
  readonly attention?: AttentionByRank;
  /** G-Search's schedule, full before `firstLayer`, to be rescaled. */
  readonly gSearch?: Schedule;
  /** P-Sigmoid's schedule at this budget, to be ranked at random and evenly. */
  readonly pSigmoid?: Schedule;
  /**
   * By what the schedules rank that are no method of their own (G-Search's, a
   * constant rate): what P-Sigmoid ranks by. Default "instruction".
   */
  readonly ranking?: Ranking;
  /** What becomes of position ids there. Default "original". */
  readonly positions?: Contender["positions"];
}

/** All methods at one budget. */
export interface Baselines {
  /** Those that meet it. */
  readonly contenders: readonly Contender[];
  /** Those whose least schedule costs more. */
  readonly leftOut: readonly LeftOut[];
}

/** Rankings that do not look at the image. */
const CONTROLS = ["random", "uniform"] as const;

/** A method before its schedule is solved. */
interface Method extends Omit<Contender, "schedule"> {
  readonly family: ScheduleFamily;
}

/**
 * Every method that there is something known for, solved for a budget.
 *
 * @param options Depth, vision tokens, first layer, budget, and what some of the
 * methods start from.
 * @returns Those that meet the budget, in a fixed order, and the others.
 * @throws {RangeError} If a number is out of range.
 * @throws {TypeError} If `attention` is not of the shape [L][N], or a schedule
 * not of L layers and N vision tokens.
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
      // Where all tokens go at once there is nothing to rank.
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
 * FastV with K = 2 and R solved; with K = 1 where two full layers alone cost too
 * much (our decision: its K is what it is known for, so R gives way first).
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
 * After a quarter, half and three quarters of the layers. A budget moves the
 * ratio λ between stages, .5 in PyramidDrop, and never the stages.
 */
function pyramidDropStages(layers: number): number[] {
  return [1, 2, 3].map((s) => Math.max(1, Math.floor(s * layers / 4)));
}

/**
 * After the layers 2, 6 and 15 of 32, scaled to the depth. How many tokens
 * SparseVLM keeps depends on the rank of each sample's attention; a schedule is
 * the same for all, so one ratio per stage is solved instead (our decision; the
 * 300, 200 and 110 of 576 tokens in its code are nearly such a sequence).
 */
function sparseVlmStages(layers: number): number[] {
  return [2, 6, 15].map((last) =>
    Math.max(1, Math.round((last + 1) * layers / 32))
  );
}

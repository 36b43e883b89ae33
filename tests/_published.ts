/**
 * Numbers of the paper: printed in its tables, or read off its figures. What the
 * methods are is said in docs/method.md, "Other methods".
 */

import {
  fastvSchedule,
  fromRates,
  fullSchedule,
  type Schedule,
} from "../core/schedule.ts";
import { type PublishedModel, publishedModels } from "../search/cost.ts";

/** G-Search's keeping rates of LLaVA-1.5-7B, layers 3 … 31. */
export const gSearchRates: readonly number[] = [
  ...[.648, .640, .619, .619, .619, .500, .500, .498, .498, .487],
  ...[.236, .236, .236, .236, .183, .181, .181, .078, .075, .073],
  ...[.070, .070, .070, .059, .041, .041, .038, .033, .031],
];

/**
 * G-Search's keeping rates of InternVL2 at the layers 2, 5, 8 … 23, where they
 * can be read (layer 2 itself is full), and the printed row.
 */
export const internVlRates = {
  "InternVL2-1B": {
    rates: [.913, .893, .860, .666, .345, .181, .138, .105],
    teraflops: 3.84,
    memory: .527,
  },
  "InternVL2-2B": {
    rates: [.79, .731, .718, .600, .494, .112, .082, .069],
    teraflops: 5.64,
    memory: .532,
  },
} as const;

/**
 * Kendall's τ between the 31 pairs of neighbouring layers of two models with 32
 * layers, each to about ±.01.
 */
export const neighbouringTaus: readonly (readonly number[])[] = [
  [
    ...[.087, .72, .74, .68, .85, .80, .77, .78, .79, .78, .75, .76, .76, .73],
    ...[.75, .75, .77, .76, .80, .77, .83, .82, .80, .80, .75, .76, .73, .79],
    ...[.80, .79, .73],
  ],
  [
    ...[.645, .82, .75, .81, .83, .82, .80, .82, .78, .79, .80, .76, .80, .80],
    ...[.76, .83, .77, .80, .82, .80, .81, .81, .81, .81, .83, .80, .81, .79],
    ...[.78, .81, .82],
  ],
];

/** Rates that change at the given layers only. */
function stages(layers: number, rateFrom: Record<number, number>): number[] {
  let rate = 1;
  return Array.from({ length: layers }, (_, i) => rate = rateFrom[i] ?? rate);
}

type Shape = Pick<PublishedModel, "layers" | "visionTokens">;

type Strategy =
  | "none"
  | "VTW"
  | "PDrop"
  | "FastV 50 %"
  | "FastV 87.5 %"
  | "G-Search";

/** FastV with K = 2. */
const fastv = (keepRate: number) => ({ layers, visionTokens }: Shape) =>
  fastvSchedule({ layers, visionTokens, layer: 2, keepRate });

const strategies: Readonly<Record<Strategy, (shape: Shape) => Schedule>> = {
  "none": ({ layers, visionTokens }) => fullSchedule(layers, visionTokens),
  "VTW": ({ layers, visionTokens }) =>
    fromRates(stages(layers, { [layers / 2]: 0 }), visionTokens),
  "PDrop": ({ layers, visionTokens }) =>
    fromRates(stages(layers, { 8: .5, 16: .25, 24: .125 }), visionTokens),
  "FastV 50 %": fastv(.5),
  "FastV 87.5 %": fastv(.125),
  "G-Search": ({ visionTokens }) =>
    fromRates([1, 1, 1, ...gSearchRates], visionTokens),
};

/** A model of the paper. */
export type ModelName = keyof typeof publishedModels;

/** A row of the paper's tables. */
export interface PublishedRow {
  readonly model: ModelName;
  readonly strategy: Strategy;
  /** As printed. */
  readonly teraflops: number;
  /** The mean keeping rate as printed. */
  readonly memory?: number;
}

/** The schedule of a row. */
export function scheduleOf(
  { model, strategy }: Pick<PublishedRow, "model" | "strategy">,
): Schedule {
  return strategies[strategy](publishedModels[model]);
}

/** The main table, as far as whole schedules are known. */
export const publishedRows: readonly PublishedRow[] = ([
  ["LLaVA-1.5-7B", "none", 9.18, 1],
  ["LLaVA-1.5-7B", "VTW", 5.19, .5],
  ["LLaVA-1.5-7B", "PDrop", 5.47, .469],
  ["LLaVA-1.5-7B", "FastV 50 %", 5.49, .531],
  ["LLaVA-1.5-7B", "G-Search", 3.95, .340],
  ["InternVL2-1B", "none", 4.62, 1],
  ["InternVL2-1B", "VTW", 3.73, .5],
  ["InternVL2-1B", "PDrop", 3.88, .583],
  ["InternVL2-1B", "FastV 50 %", 3.91, .542],
  ["InternVL2-2B", "none", 8.10, 1],
  ["InternVL2-2B", "VTW", 5.50, .5],
  ["InternVL2-2B", "PDrop", 5.93, .583],
  ["InternVL2-2B", "FastV 50 %", 5.85, .542],
] as const).map(([model, strategy, teraflops, memory]) => ({
  model,
  strategy,
  teraflops,
  memory,
}));

/** The comparison within a budget. */
export const budgetRows: readonly PublishedRow[] = ([
  ["LLaVA-1.5-7B", 2.66],
  ["InternVL2-1B", 3.38],
  ["InternVL2-2B", 4.16],
] as const).map(([model, teraflops]) => ({
  model,
  strategy: "FastV 87.5 %",
  teraflops,
}));

/**
 * The least and the largest schedule that G-Search's rates of an InternVL2 allow.
 * Rates never rise: between two that can be read all are at most the first and
 * at least the second. The first three layers are full.
 */
export function internVlBounds(
  model: keyof typeof internVlRates,
): { least: Schedule; most: Schedule } {
  const { layers, visionTokens } = publishedModels[model];
  const { rates } = internVlRates[model];
  const shifted = (shift: number): Schedule =>
    fromRates(
      Array.from(
        { length: layers },
        (_, i) => i < 3 ? 1 : rates[Math.floor((i - 2 + shift) / 3)],
      ),
      visionTokens,
    );
  return { least: shifted(2), most: shifted(0) };
}

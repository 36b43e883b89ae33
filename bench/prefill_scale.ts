/**
 * The work of bench/prefill.ts: LLaVA-1.5-7B's decoder and three schedules, at any
 * scale.
 */

import {
  type DecoderConfig,
  fastvSchedule,
  fromRates,
  type ReductionOptions,
  type Schedule,
} from "../core/mod.ts";
import { type PublishedModel, publishedModels } from "../search/mod.ts";
import { gSearchRates } from "../tests/_published.ts";

/** The model at full scale. */
export const FULL: PublishedModel = publishedModels["LLaVA-1.5-7B"];
const { visionTokens: N } = FULL;
/** E, the width of a head, at every scale. */
const HEAD_WIDTH = 128;

/** A way to run the decoder. */
export interface Strategy {
  readonly name: string;
  /** Keeping rates of the full model's layers. */
  readonly rates: readonly number[];
  readonly reduction: ReductionOptions;
}

/** The schedules, from no reduction to the most. */
export const STRATEGIES: readonly Strategy[] = [
  {
    name: "unreduced",
    rates: Array(FULL.layers).fill(1),
    reduction: {},
  },
  {
    name: "FastV, K = 2, R = 50 %",
    rates: fastvSchedule({
      layers: FULL.layers,
      visionTokens: N,
      layer: 2,
      keepRate: .5,
    }).keep.map((keep) => keep / N),
    reduction: { ranking: "last" },
  },
  {
    name: "G-Search's schedule",
    rates: [1, 1, 1, ...gSearchRates],
    reduction: { ranking: "instruction" },
  },
];

/** A strategy for a decoder that may have fewer layers. */
export function scheduleOf({ rates }: Strategy, layers: number): Schedule {
  const stretched = Array.from(
    { length: layers },
    (_, layer) => rates[Math.floor(layer * rates.length / layers)],
  );
  return fromRates(stretched, N);
}

/** LLaVA-1.5-7B's decoder at a width. */
export function configOf(layers: number, width: number): DecoderConfig {
  const scaled = (size: number): number =>
    Math.round(size * width / FULL.width);
  return {
    type: "llama",
    width,
    layers,
    heads: width / HEAD_WIDTH,
    kvHeads: width / HEAD_WIDTH,
    headWidth: HEAD_WIDTH,
    mlpWidth: scaled(FULL.mlpWidth),
    vocabulary: scaled(FULL.vocabulary),
    normEpsilon: 1e-5,
    qkvBias: false,
    outBias: false,
    rope: { theta: 10_000, scaling: null },
    window: null,
    tiedHead: false,
  };
}

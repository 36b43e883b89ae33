/**
 * Schedules with one number left open, for `solveBudget()` to choose: the shapes
 * of other methods (docs/method.md, "Other methods") and of the controls.
 *
 * L = decoder layers, N = vision tokens, r = keeping rate of a layer.
 */

// This module is browser compatible.

import {
  fastvSchedule,
  fromKeepCounts,
  fromRates,
  type Schedule,
} from "../core/schedule.ts";
import type { ScheduleFamily } from "./budget.ts";
import { checkIntegers } from "./checks.ts";

/** What all schedules of a family have in common. */
export interface FamilyShape {
  /** L, decoder layers, an integer ≥ 2. */
  readonly layers: number;
  /** N, vision tokens entering the decoder, an integer ≥ 1. */
  readonly visionTokens: number;
  /**
   * First layer that may be reduced, 0-based, in [1, L − 1]. Default 3, as the
   * paper's FLOPs imply.
   */
  readonly firstLayer?: number;
}

/**
 * The shape with its defaults, checked.
 *
 * @param shape What all schedules have in common.
 * @returns The shape.
 * @throws {RangeError} If a number is out of range.
 */
export function settleShape(
  { layers, visionTokens, firstLayer = 3 }: FamilyShape,
): Required<FamilyShape> {
  checkIntegers("make schedules", {
    layers: { value: layers, least: 2, most: Infinity },
    visionTokens: { value: visionTokens, least: 1, most: Infinity },
    firstLayer: { value: firstLayer, least: 1, most: layers - 1 },
  });
  return { layers, visionTokens, firstLayer };
}

/**
 * A constant rate from the first layer on, by that rate.
 *
 * @param shape What all schedules have in common.
 * @returns The family.
 * @throws {RangeError} If a number is out of range.
 */
export function constantFamily(shape: FamilyShape): ScheduleFamily {
  const { layers, visionTokens, firstLayer } = settleShape(shape);
  return {
    low: 0,
    high: 1,
    at: (keepRate) =>
      fastvSchedule({ layers, visionTokens, layer: firstLayer, keepRate }),
  };
}

/** Options of {@linkcode stagedFamily}. */
export interface StagedOptions {
  /** L, an integer ≥ 1. */
  readonly layers: number;
  /** N, an integer ≥ 0. */
  readonly visionTokens: number;
  /** The first layer of each stage, rising, each in [1, L − 1]. */
  readonly stages: readonly number[];
}

/**
 * PyramidDrop's counts (CVPR 2025), by λ: from its s-th stage on (s = 1, 2, …)
 * a layer keeps int(λ^s · N).
 *
 * @param options Depth, vision tokens and stages.
 * @returns The family; λ = .5 is PyramidDrop's own.
 */
export function stagedFamily(
  { layers, visionTokens, stages }: StagedOptions,
): ScheduleFamily {
  return {
    low: 0,
    high: 1,
    at: (ratio) => {
      const keep = Array.from({ length: layers }, (_, layer) => {
        const stage = stages.filter((first) => first <= layer).length;
        return Math.floor(ratio ** stage * visionTokens);
      });
      return fromKeepCounts(keep, visionTokens);
    },
  };
}

/**
 * VTW's schedules (AAAI 2025), by the layer that all vision tokens are dropped
 * at, rounded down.
 *
 * @param layers L, an integer ≥ 1.
 * @param visionTokens N, an integer ≥ 0.
 * @returns The family, from t = 1 to t = L, which drops none.
 */
export function vtwFamily(
  layers: number,
  visionTokens: number,
): ScheduleFamily {
  return {
    low: 1,
    high: layers,
    at: (t) => {
      const keep = Array.from(
        { length: layers },
        (_, layer) => layer < Math.floor(t) ? visionTokens : 0,
      );
      return fromKeepCounts(keep, visionTokens);
    },
  };
}

/**
 * VTW's own rule for its layer: the first at which withdrawing the vision
 * tokens hardly changes the answer, mean KL(full ‖ withdrawn) ≤ η.
 *
 * @param kl Mean divergence by the layer of withdrawal, shape [L], in nats.
 * @param eta η. Default VTW's .003.
 * @returns The layer; L, which withdraws none, where there is no such layer.
 * @throws {RangeError} If a divergence is NaN.
 */
export function vtwLayer(kl: readonly number[], eta: number = .003): number {
  const unknown = kl.findIndex(Number.isNaN);
  if (unknown !== -1) {
    throw new RangeError(
      `Cannot find the layer of withdrawal as each divergence must be a number: value at index ${unknown} is NaN`,
    );
  }
  const layer = kl.findIndex((divergence) => divergence <= eta);
  return layer === -1 ? kl.length : layer;
}

/** Options of {@linkcode rescaleSchedule}. */
export interface RescaleOptions {
  /** What the keeping rates are multiplied by, ≥ 0. */
  readonly factor: number;
  /** First layer that may be reduced; those before keep what they keep. */
  readonly firstLayer: number;
}

/**
 * A schedule with all rates multiplied by a factor, and 1 where that is more.
 *
 * @param schedule The schedule, such as G-Search's.
 * @param options The factor, and where it applies.
 * @returns The rescaled schedule.
 * @throws {RangeError} If the factor is negative or NaN, or so large that a layer
 * would keep more than the last before `firstLayer`.
 */
export function rescaleSchedule(
  { keep, visionTokens }: Schedule,
  { factor, firstLayer }: RescaleOptions,
): Schedule {
  const rates = keep.map((count, layer) =>
    layer < firstLayer
      ? count / visionTokens
      : Math.min(1, factor * count / visionTokens)
  );
  return fromRates(rates, visionTokens);
}

/**
 * A schedule rescaled, by the factor.
 *
 * @param schedule The schedule, full before `firstLayer`.
 * @param firstLayer First layer that may be reduced.
 * @returns The family, up to where no layer that keeps anything is reduced.
 */
export function rescaledFamily(
  schedule: Schedule,
  firstLayer: number,
): ScheduleFamily {
  const { keep, visionTokens } = schedule;
  const least = Math.min(...keep.filter((count) => count > 0));
  return {
    low: 0,
    high: visionTokens / least,
    at: (factor) => rescaleSchedule(schedule, { factor, firstLayer }),
  };
}

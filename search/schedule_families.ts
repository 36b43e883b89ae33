/**
 * Families of schedules with one free parameter, which `solveBudget()` chooses.
 * They are the shapes of other methods (docs/method.md, "Other methods") and of
 * the controls.
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

/** Shape that all schedules of a family share. */
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
 * Checks a shape and fills in its defaults.
 *
 * @param shape Shape that all schedules share.
 * @returns The complete shape.
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
 * Schedules of a constant rate from `firstLayer` on. The parameter t is the
 * rate.
 *
 * @param shape Shape that all schedules share.
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
 * PyramidDrop's schedules (CVPR 2025). The parameter t is the ratio λ: from
 * stage s on (s = 1, 2, …) a layer keeps int(λ^s · N) tokens.
 *
 * @param options Depth, vision tokens and stages.
 * @returns The family; PyramidDrop itself uses λ = .5.
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
 * VTW's schedules (AAAI 2025). The parameter t, rounded down, is the layer at
 * which all vision tokens are dropped.
 *
 * @param layers L, an integer ≥ 1.
 * @param visionTokens N, an integer ≥ 0.
 * @returns The family, from t = 1 to t = L, where no token is dropped.
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
 * VTW's own rule for its layer. It takes the first layer at which withdrawing
 * the vision tokens hardly changes the answer: mean KL(full ‖ withdrawn) ≤ η.
 *
 * @param kl Mean divergence by the layer of withdrawal, shape [L], in nats.
 * @param eta η. Default .003, as in VTW.
 * @returns The layer. If no layer qualifies it is L, which withdraws no token.
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
  /** Factor that multiplies the keeping rates, ≥ 0. */
  readonly factor: number;
  /**
   * First layer that may be reduced. The layers before it keep their counts.
   */
  readonly firstLayer: number;
}

/**
 * Multiplies the rates of a schedule by a factor, and limits them to 1.
 *
 * @param schedule The schedule, such as G-Search's.
 * @param options The factor, and the first layer that it applies to.
 * @returns The rescaled schedule.
 * @throws {RangeError} If the factor is negative or NaN, or so large that a
 * layer would keep more than the last layer before `firstLayer`.
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
 * Rescalings of a schedule. The parameter t is the factor.
 *
 * @param schedule The schedule, full before `firstLayer`.
 * @param firstLayer First layer that may be reduced.
 * @returns The family. At its largest t every layer that keeps any token is
 * full.
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

/**
 * FitPrune's keep counts (Ye et al., AAAI 2025; docs/method.md, "Other
 * methods"). A layer keeps as many tokens as receive all but a share α of its
 * attention. Bisection finds α from attention alone; no accuracy is measured.
 */

// This module is browser compatible.

import { fromKeepCounts } from "../core/schedule.ts";
import type { ScheduleFamily } from "./budget.ts";

/**
 * Attention that vision tokens receive in the unreduced model, by rank. In each
 * layer the masses of each sample are sorted, largest first, and then averaged
 * over the samples. Each array has the shape [L][N] and masses ≥ 0.
 */
export interface AttentionByRank {
  /** Attention from the instruction tokens. */
  readonly cross: readonly ArrayLike<number>[];
  /** Attention from the vision tokens themselves. */
  readonly self: readonly ArrayLike<number>[];
}

/**
 * FitPrune's schedules. The parameter t is 1 − α, the share of attention that
 * stays.
 *
 * After layer i, the fewest tokens stay that hold this share of layer i's
 * attention in the unreduced model. This count is taken for both kinds of
 * attention, and the larger one applies. The counts never rise with depth, and
 * layer 0 computes with all tokens.
 *
 * FitPrune's code runs a model that is already pruned. For each sample it
 * deletes the tokens that rank lowest by both kinds of attention, and it
 * averages the counts over the samples. Averaging masses by rank in the
 * unreduced model needs no such runs (our decision). The counts agree where
 * both kinds rank the tokens alike.
 *
 * @param attention The attention by rank.
 * @returns The family, from t = 0 (all attention given up) to t = 1.
 * @throws {TypeError} If the two kinds differ in shape or have no layer.
 * @throws {RangeError} If a mass is negative, NaN, or larger than the one
 * before it.
 */
export function fitPruneFamily(
  { cross, self }: AttentionByRank,
): ScheduleFamily {
  const layers = cross.length;
  const visionTokens = cross[0]?.length ?? 0;
  const all = [...cross, ...self];
  if (
    layers === 0 || self.length !== layers ||
    all.some((masses) => masses.length !== visionTokens)
  ) {
    throw new TypeError(
      "Cannot fit keep counts as both kinds of attention must have shape [L][N] with L >= 1",
    );
  }
  all.forEach(checkMasses);
  const sums = all.map(runningSums);
  return {
    low: 0,
    high: 1,
    at: (share) => {
      const keep = [visionTokens];
      for (let layer = 0; layer + 1 < layers; layer++) {
        const needed = Math.max(
          tokensFor(share, sums[layer]),
          tokensFor(share, sums[layers + layer]),
        );
        keep.push(Math.min(keep[layer], needed));
      }
      return fromKeepCounts(keep, visionTokens);
    },
  };
}

/**
 * Fewest tokens that receive a share of all attention; `sums[n]` is the sum of
 * the n largest masses.
 */
function tokensFor(share: number, sums: readonly number[]): number {
  const wanted = share * sums[sums.length - 1];
  return sums.findIndex((sum) => sum >= wanted);
}

/**
 * Running sums, shape [N + 1]: 0, then the sum of the first 1, 2, … N masses.
 */
function runningSums(masses: ArrayLike<number>): number[] {
  const sums = [0];
  for (let n = 0; n < masses.length; n++) sums.push(sums[n] + masses[n]);
  return sums;
}

function checkMasses(masses: ArrayLike<number>): void {
  for (let rank = 0; rank < masses.length; rank++) {
    const most = rank === 0 ? Infinity : masses[rank - 1];
    // The negated form also rejects NaN.
    if (!(masses[rank] >= 0 && masses[rank] <= most)) {
      throw new RangeError(
        `Cannot fit keep counts as attention must be sorted, largest first, and >= 0: value at rank ${rank} is ${
          masses[rank]
        }`,
      );
    }
  }
}

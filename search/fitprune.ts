/**
 * FitPrune's keep counts (Ye et al., AAAI 2025; docs/method.md, "Other methods"):
 * how many tokens each layer needs to receive all but a share α of its attention. α is
 * found by bisection, from attention alone, with no accuracy in the loop.
 */

// This module is browser compatible.

import { fromKeepCounts } from "../core/schedule.ts";
import type { ScheduleFamily } from "./budget.ts";

/**
 * The attention that vision tokens receive in the unreduced model, by rank:
 * each sample's masses in a layer are sorted, largest first, then averaged over
 * the samples. Shape [L][N] each, masses ≥ 0.
 */
export interface AttentionByRank {
  /** From the instruction tokens. */
  readonly cross: readonly ArrayLike<number>[];
  /** From the vision tokens themselves. */
  readonly self: readonly ArrayLike<number>[];
}

/**
 * FitPrune's schedules, by the share 1 − α of attention that stays.
 *
 * After layer i as many tokens stay as hold that share of the attention layer i
 * gives in the unreduced model, of both kinds: the larger of the two counts.
 * Never more than before; layer 0 computes with all.
 *
 * FitPrune's code deletes, per sample, the tokens that are among the least of
 * both kinds, in a run that is pruned already, and averages the counts. Masses
 * averaged by rank in the unreduced model need no runs (our decision); where
 * both kinds rank alike, the counts agree.
 *
 * @param attention The attention by rank.
 * @returns The family, from t = 0 (all attention given up) to t = 1.
 * @throws {TypeError} If the two kinds differ in shape or have no layer.
 * @throws {RangeError} If a mass is negative or NaN, or larger than the one
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

/** Fewest tokens that receive a share of all; entry n sums the first n. */
function tokensFor(share: number, sums: readonly number[]): number {
  const wanted = share * sums[sums.length - 1];
  return sums.findIndex((sum) => sum >= wanted);
}

/** Shape [N + 1]: 0, then the sum of the first 1, 2, … N masses. */
function runningSums(masses: ArrayLike<number>): number[] {
  const sums = [0];
  for (let n = 0; n < masses.length; n++) sums.push(sums[n] + masses[n]);
  return sums;
}

function checkMasses(masses: ArrayLike<number>): void {
  for (let rank = 0; rank < masses.length; rank++) {
    const most = rank === 0 ? Infinity : masses[rank - 1];
    // Written so that NaN fails too.
    if (!(masses[rank] >= 0 && masses[rank] <= most)) {
      throw new RangeError(
        `Cannot fit keep counts as attention must be sorted, largest first, and >= 0: value at rank ${rank} is ${
          masses[rank]
        }`,
      );
    }
  }
}

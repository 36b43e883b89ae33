/**
 * Schedules: how many vision tokens each decoder layer keeps.
 *
 * Every form of a strategy is converted to one explicit list of keep counts, and
 * later code knows no other form. A schedule says how many tokens stay.
 * `reduce.ts` chooses the tokens, per sample.
 *
 * L = decoder layers, N = vision tokens entering the decoder.
 */

// This module is browser compatible.

/**
 * Keep count of vision tokens per decoder layer. Searches look for one, and the
 * decoder runs under it. The functions of this module make and check it.
 */
export interface Schedule {
  /** N, the vision tokens before any reduction. */
  readonly visionTokens: number;
  /**
   * Shape [L]: layer `i` (0-based) computes with `keep[i]` vision tokens.
   * Integers in [0, N], non-increasing, as a removed token is gone for all
   * later layers (docs/method.md, "Sort & Reduce").
   */
  readonly keep: readonly number[];
}

/**
 * The schedule with exactly these keep counts.
 *
 * @param keep Keep counts, shape [L], non-increasing integers in [0, N].
 * @param visionTokens N, an integer ≥ 0.
 * @returns A schedule with its own copy of the counts.
 * @throws {RangeError} If the counts are not as described.
 */
export function fromKeepCounts(
  keep: readonly number[],
  visionTokens: number,
): Schedule {
  if (!Number.isInteger(visionTokens) || visionTokens < 0) {
    throw new RangeError(
      `Cannot make a schedule as visionTokens must be an integer >= 0: current value is ${visionTokens}`,
    );
  }
  if (keep.length === 0) {
    throw new RangeError(
      "Cannot make a schedule as it must have at least one layer: current value is []",
    );
  }
  for (let layer = 0; layer < keep.length; layer++) {
    const most = layer === 0 ? visionTokens : keep[layer - 1];
    const count = keep[layer];
    if (!Number.isInteger(count) || count < 0 || count > most) {
      throw new RangeError(
        `Cannot make a schedule as the keep count of layer ${layer} must be an integer in [0, ${most}]: current value is ${count}`,
      );
    }
  }
  return { visionTokens, keep: [...keep] };
}

/**
 * The schedule of the unreduced model: every layer keeps all N tokens.
 *
 * @param layers L, an integer ≥ 1.
 * @param visionTokens N, an integer ≥ 0.
 * @returns The schedule.
 * @throws {RangeError} If either is out of range.
 */
export function fullSchedule(layers: number, visionTokens: number): Schedule {
  checkLayers(layers);
  return fromKeepCounts(Array(layers).fill(visionTokens), visionTokens);
}

/** Options of {@linkcode fromRates}. */
export interface FromRatesOptions {
  /** Fewest tokens a layer keeps, an integer in [0, N]. Default 0. */
  readonly minKeep?: number;
}

/**
 * The schedule of keeping rates r, relative to the original count N and not to
 * the survivors: `keep = max(minKeep, round(r · N))` (rounding: our decision).
 *
 * @param rates Keeping rates, shape [L], each in [0, 1], non-increasing.
 * @param visionTokens N, an integer ≥ 0.
 * @returns The schedule.
 * @throws {RangeError} If a rate is not in [0, 1], if a rate keeps more than
 * the layer before it, or if `minKeep` is not an integer in [0, N].
 */
export function fromRates(
  rates: readonly number[],
  visionTokens: number,
  { minKeep = 0 }: FromRatesOptions = {},
): Schedule {
  if (!Number.isInteger(minKeep) || minKeep < 0 || minKeep > visionTokens) {
    throw new RangeError(
      `Cannot make a schedule as minKeep must be an integer in [0, ${visionTokens}]: current value is ${minKeep}`,
    );
  }
  const keep = rates.map((rate, layer) => {
    checkRate(rate, `the keeping rate of layer ${layer}`);
    return Math.max(minKeep, Math.round(rate * visionTokens));
  });
  return fromKeepCounts(keep, visionTokens);
}

/** Options of {@linkcode fastvSchedule}. */
export interface FastvOptions {
  /** L, an integer ≥ 1. */
  readonly layers: number;
  /** N, an integer ≥ 0. */
  readonly visionTokens: number;
  /**
   * FastV's K, 0-based: the first layer that sees fewer tokens. An integer in
   * [1, L − 1], as layer 0 has no attention scores before it. FastV uses 2.
   */
  readonly layer: number;
  /** Share of the tokens that stay, in [0, 1]: 1 − R in FastV's terms. */
  readonly keepRate: number;
}

/**
 * FastV's schedule (ECCV 2024; docs/method.md, "Other methods"): all tokens before
 * layer K, `round(keepRate · N)` from layer K on.
 *
 * This function gives the counts only. FastV also ranks by the attention of the
 * last token, which is the ranking `last`.
 *
 * @returns The schedule.
 * @throws {RangeError} If an option is out of range.
 */
export function fastvSchedule(
  { layers, visionTokens, layer, keepRate }: FastvOptions,
): Schedule {
  checkLayers(layers);
  if (!Number.isInteger(layer) || layer < 1 || layer >= layers) {
    throw new RangeError(
      `Cannot make a FastV schedule as layer must be an integer in [1, ${
        layers - 1
      }]: current value is ${layer}`,
    );
  }
  checkRate(keepRate, "keepRate");
  const rates = Array.from(
    { length: layers },
    (_, i) => i < layer ? 1 : keepRate,
  );
  return fromRates(rates, visionTokens);
}

/**
 * The schedule of the same keeping rates for another number of vision tokens,
 * that is, for an image of fewer or more tiles:
 * `keep = round(keep / N · visionTokens)` (our decision). A count may become 0
 * where the original kept few tokens.
 *
 * @param schedule The schedule; where its N is 0 its rates are 1.
 * @param visionTokens The other N, an integer ≥ 0.
 * @returns The schedule; the same one where N is the same.
 * @throws {RangeError} If `visionTokens` is not an integer ≥ 0.
 */
export function scaleSchedule(
  schedule: Schedule,
  visionTokens: number,
): Schedule {
  const { visionTokens: N, keep } = schedule;
  if (N === visionTokens) return schedule;
  if (N === 0) return fullSchedule(keep.length, visionTokens);
  // The product is an exact integer, so only the quotient is rounded.
  const counts = keep.map((count) => Math.round(count * visionTokens / N));
  return fromKeepCounts(counts, visionTokens);
}

/**
 * Mean of `keep / N` over the layers: the paper's memory cost (docs/method.md,
 * "Cost"), 1 for the unreduced model.
 *
 * @param schedule The schedule; if N is 0, the rate is 1.
 * @returns The mean keeping rate, in [0, 1].
 */
export function meanKeepingRate({ visionTokens, keep }: Schedule): number {
  if (visionTokens === 0) return 1;
  const kept = keep.reduce((sum, count) => sum + count, 0);
  return kept / (keep.length * visionTokens);
}

function checkLayers(layers: number): void {
  if (!Number.isInteger(layers) || layers < 1) {
    throw new RangeError(
      `Cannot make a schedule as layers must be an integer >= 1: current value is ${layers}`,
    );
  }
}

function checkRate(rate: number, name: string): void {
  // Written so that NaN fails too.
  if (!(rate >= 0 && rate <= 1)) {
    throw new RangeError(
      `Cannot make a schedule as ${name} must be in [0, 1]: current value is ${rate}`,
    );
  }
}

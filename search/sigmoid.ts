/**
 * Sigmoid schedules (docs/method.md, "P-Sigmoid"):
 * `r_i = min(1, k / (1 + exp(a (i − b))))` from the first layer on, 1 before it.
 */

// This module is browser compatible.

import { fromRates, type Schedule } from "../core/schedule.ts";
import { minimizeLbfgs, type Minimum } from "../optim/math/lbfgs.ts";
import { type Budget, solveBudget } from "./budget.ts";
import { checkIntegers } from "./checks.ts";
import { type FamilyShape, settleShape } from "./schedule_families.ts";

/** Parameters of a sigmoid that the budget does not determine. */
export interface SigmoidForm {
  /** k > 0: the rate that the first layers approach. */
  readonly k: number;
  /** a > 0: steepness of the fall, per layer. */
  readonly a: number;
}

/** A complete sigmoid. */
export interface Sigmoid extends SigmoidForm {
  /** b: the layer, 0-based, at which the rate is k / 2. */
  readonly b: number;
}

/**
 * Distance from b in units of 1 / a at which a sigmoid is saturated in floating
 * point. This far before b it equals k; this far after b it keeps no token.
 */
const SATURATED = 40;

/**
 * Computes the schedule of a sigmoid.
 *
 * @param sigmoid k, a and b.
 * @param shape Depth, vision tokens and first layer.
 * @returns The schedule.
 * @throws {RangeError} If k or a is not positive, b is not a number, or the
 * shape is out of range.
 */
export function sigmoidSchedule(
  { k, a, b }: Sigmoid,
  shape: FamilyShape,
): Schedule {
  const { layers, visionTokens, firstLayer } = settleShape(shape);
  checkForm({ k, a });
  const rates = Array.from(
    { length: layers },
    // A large exponent gives Infinity, and k / Infinity is 0.
    (_, i) => i < firstLayer ? 1 : Math.min(1, k / (1 + Math.exp(a * (i - b)))),
  );
  return fromRates(rates, visionTokens);
}

/** Options of {@linkcode solveSigmoid}. */
export interface SolveSigmoidOptions extends FamilyShape {
  /** Limit on the cost of the schedule. */
  readonly budget: Budget;
}

/**
 * Finds the b that spends the budget, for given k and a.
 *
 * As {@linkcode solveBudget} says, the budget is met within one token per layer
 * on average. If k is so small that even the constant rate k costs less than
 * the budget, the result is that constant rate.
 *
 * @param form k and a.
 * @param options Budget, depth, vision tokens and first layer.
 * @returns The sigmoid and its schedule.
 * @throws {RangeError} If no b meets the budget, or a number is out of range.
 */
export function solveSigmoid(
  form: SigmoidForm,
  options: SolveSigmoidOptions,
): { readonly sigmoid: Sigmoid; readonly schedule: Schedule } {
  checkForm(form);
  const { t: b, schedule } = solveBudget({
    low: -SATURATED / form.a,
    high: options.layers + SATURATED / form.a,
    at: (b) => sigmoidSchedule({ ...form, b }, options),
  }, options.budget);
  return { sigmoid: { ...form, b }, schedule };
}

/** A sigmoid fitted to a schedule. */
export interface SigmoidFit {
  /** The sigmoid. */
  readonly sigmoid: Sigmoid;
  /** Root mean squared distance from the schedule's keeping rates. */
  readonly rmse: number;
}

/**
 * Fits a sigmoid to a schedule by least squares, over the layers that may be
 * reduced. k lies in [.01, 1], a in [.01, 10] and b in [−L, 2L]. The fit turns
 * G-Search's result into a starting point of the search within a budget.
 *
 * L-BFGS starts from several points, because steep and flat sigmoids are
 * separate minima.
 *
 * @param schedule The schedule.
 * @param firstLayer First layer of the fit, in [1, L − 1].
 * @returns The best fit.
 * @throws {RangeError} If `firstLayer` is out of range.
 */
export function fitSigmoid(
  { keep, visionTokens }: Schedule,
  firstLayer: number,
): SigmoidFit {
  const L = keep.length;
  checkIntegers("fit a sigmoid", {
    visionTokens: { value: visionTokens, least: 1, most: Infinity },
    firstLayer: { value: firstLayer, least: 1, most: L - 1 },
  });
  const rates = keep.slice(firstLayer).map((count) => count / visionTokens);
  const n = rates.length;

  /** Mean of (r − rate)² over the layers, with r = kσ and σ = σ(a (b − i)). */
  function meanSquare(x: Float64Array, gradient: Float64Array | null): number {
    const [k, a, b] = x;
    let sum = 0;
    gradient?.fill(0);
    for (const [row, rate] of rates.entries()) {
      const distance = b - (firstLayer + row);
      const share = 1 / (1 + Math.exp(-a * distance));
      const residual = k * share - rate;
      sum += residual * residual;
      if (gradient !== null) {
        const slope = k * share * (1 - share);
        gradient[0] += 2 * residual * share / n;
        gradient[1] += 2 * residual * slope * distance / n;
        gradient[2] += 2 * residual * slope * a / n;
      }
    }
    return sum / n;
  }

  const bounds = { lower: [.01, .01, -L], upper: [1, 10, 2 * L] };
  let best: Minimum | null = null;
  for (const a of [.1, .5, 2]) {
    for (const share of [.25, .5, .75, 1]) {
      const b = firstLayer + share * (L - firstLayer);
      const fit = minimizeLbfgs(meanSquare, [rates[0], a, b], bounds);
      if (best === null || fit.value < best.value) best = fit;
    }
  }
  const [k, a, b] = best!.x;
  return { sigmoid: { k, a, b }, rmse: Math.sqrt(best!.value) };
}

function checkForm({ k, a }: SigmoidForm): void {
  // The negated form also rejects NaN.
  if (!(k > 0 && k < Infinity && a > 0 && a < Infinity)) {
    throw new RangeError(
      `Cannot make a sigmoid as k and a must be positive: current values are ${k} and ${a}`,
    );
  }
}

/**
 * A budget limits the cost of a schedule. `solveBudget()` finds the largest
 * schedule of a family within it. Every candidate meets the same budget, so
 * that candidates differ only in performance (docs/method.md, "P-Sigmoid").
 */

// This module is browser compatible.

import { meanKeepingRate, type Schedule } from "../core/schedule.ts";
import { kvCacheBytes, type ModelShape, prefillFlops } from "./cost.ts";

/** Limit on the mean keeping rate, the paper's "memory cost". */
export interface RateBudget {
  /** Kind of the budget. */
  readonly kind: "rate";
  /** Largest mean over the layers of keep / N, in (0, 1]. */
  readonly limit: number;
}

/** Limit on the FLOPs of one prefill. */
export interface FlopsBudget {
  /** Kind of the budget. */
  readonly kind: "flops";
  /** Largest number of FLOPs of the whole model, vision encoder included. */
  readonly limit: number;
  /** Sizes of the model. */
  readonly model: ModelShape;
  /** T, the number of prompt tokens that are not vision tokens. */
  readonly textTokens: number;
}

/** Limit on the size of the KV cache after prefill. */
export interface KvBudget {
  /** Kind of the budget. */
  readonly kind: "kv";
  /** Largest number of bytes, text included. */
  readonly limit: number;
  /** Sizes of the model. */
  readonly model: ModelShape;
  /** T, the number of prompt tokens that are not vision tokens. */
  readonly textTokens: number;
  /** Bytes per cached number: 2 for f16, 4 for f32. */
  readonly bytesPerElement: number;
}

/** Limit on the cost of a schedule; JSON-serialisable. */
export type Budget = RateBudget | FlopsBudget | KvBudget;

/**
 * A family of schedules with one parameter t. A larger t keeps no fewer tokens
 * in any layer.
 */
export interface ScheduleFamily {
  /** t of the least schedule. */
  readonly low: number;
  /** t of the largest schedule. */
  readonly high: number;
  /** Returns the schedule at t, for any t in [low, high]. */
  readonly at: (t: number) => Schedule;
}

/** The member of a family that meets a budget. */
export interface Solution {
  /** t of the schedule. */
  readonly t: number;
  /** The schedule at t. */
  readonly schedule: Schedule;
}

/**
 * Cost of a schedule, in the unit of a budget.
 *
 * @param schedule The schedule.
 * @param budget Kind of cost, and the model that it depends on. The limit is
 * ignored.
 * @returns Mean keeping rate, FLOPs ({@linkcode prefillFlops}) or bytes
 * ({@linkcode kvCacheBytes}).
 * @throws {RangeError} If the schedule and the model differ in depth.
 */
export function costOf(schedule: Schedule, budget: Budget): number {
  switch (budget.kind) {
    case "rate":
      return meanKeepingRate(schedule);
    case "flops":
      return prefillFlops(budget.model, schedule, budget.textTokens);
    case "kv":
      return kvCacheBytes(budget.model, schedule, budget);
    default:
      budget satisfies never;
      throw new TypeError("Cannot compute the cost of an unknown kind");
  }
}

/**
 * Number of halvings. It narrows the interval of t to floating-point precision.
 */
const HALVINGS = 100;

/**
 * Finds the largest schedule of a family within the budget, by bisection of t.
 *
 * Where rates are continuous in t and keep counts are their roundings, the
 * budget is met within one token per layer on average: one more token in every
 * layer that can take one would exceed it. A family with larger steps, such as
 * VTW's whole layers, stays below the budget by up to one step. If the largest
 * schedule of the family is within the budget, it is the result.
 *
 * @param family Schedules to choose from.
 * @param budget Limit on their cost.
 * @returns The schedule and its t.
 * @throws {RangeError} If even the least schedule exceeds the budget.
 */
export function solveBudget(family: ScheduleFamily, budget: Budget): Solution {
  const meets = (t: number): boolean =>
    costOf(family.at(t), budget) <= budget.limit;
  let { low, high } = family;
  if (!meets(low)) {
    throw new RangeError(
      `Cannot meet the budget (${budget.kind}) as its limit must be at least ${
        costOf(family.at(low), budget)
      }, what the least schedule costs: current value is ${budget.limit}`,
    );
  }
  if (meets(high)) return { t: high, schedule: family.at(high) };
  for (let i = 0; i < HALVINGS; i++) {
    const middle = low + (high - low) / 2;
    if (meets(middle)) low = middle;
    else high = middle;
  }
  return { t: low, schedule: family.at(low) };
}

/**
 * Budgets: what a schedule may cost, and the largest schedule of a family that
 * costs no more (docs/method.md, "P-Sigmoid": the budget is met for every candidate,
 * so that only performance is left to compare).
 */

// This module is browser compatible.

import { meanKeepingRate, type Schedule } from "../core/schedule.ts";
import { kvCacheBytes, type ModelShape, prefillFlops } from "./cost.ts";

/** A limit of the mean keeping rate, the paper's "memory cost". */
export interface RateBudget {
  /** Tells it from the other kinds. */
  readonly kind: "rate";
  /** Largest mean over the layers of keep / N, in (0, 1]. */
  readonly limit: number;
}

/** A limit of the FLOPs of one prefill. */
export interface FlopsBudget {
  /** Tells it from the other kinds. */
  readonly kind: "flops";
  /** Most FLOPs of the whole model, vision encoder included. */
  readonly limit: number;
  /** The model's sizes. */
  readonly model: ModelShape;
  /** T, every token of the prompt that is not a vision token. */
  readonly textTokens: number;
}

/** A limit of the KV cache after prefill. */
export interface KvBudget {
  /** Tells it from the other kinds. */
  readonly kind: "kv";
  /** Most bytes, text included. */
  readonly limit: number;
  /** The model's sizes. */
  readonly model: ModelShape;
  /** T, every token of the prompt that is not a vision token. */
  readonly textTokens: number;
  /** Bytes per cached number: 2 for f16, 4 for f32. */
  readonly bytesPerElement: number;
}

/** What a schedule may cost; JSON-serialisable. */
export type Budget = RateBudget | FlopsBudget | KvBudget;

/** Schedules by one number t: a larger t keeps no fewer tokens in any layer. */
export interface ScheduleFamily {
  /** The t of the family's least schedule. */
  readonly low: number;
  /** The t of its largest. */
  readonly high: number;
  /** The schedule of any t in [low, high]. */
  readonly at: (t: number) => Schedule;
}

/** A family's member that meets a budget. */
export interface Solution {
  /** Which one. */
  readonly t: number;
  /** Its schedule. */
  readonly schedule: Schedule;
}

/**
 * What a schedule costs, in the unit of a budget.
 *
 * @param schedule The schedule.
 * @param budget Says what is counted, and of which model; its limit is ignored.
 * @returns Mean keeping rate, FLOPs ({@linkcode prefillFlops}) or bytes
 * ({@linkcode kvCacheBytes}).
 * @throws {RangeError} If the schedule is of another depth than the model.
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

/** Halvings after which an interval of t is narrower than t is precise. */
const HALVINGS = 100;

/**
 * The largest schedule of a family that costs no more than the budget, by
 * bisection of t.
 *
 * Where keep counts are roundings of rates that are continuous in t, the budget
 * is met within one token per layer on average: one more in every layer that
 * can take one would exceed it. A family that moves in larger steps (VTW's
 * whole layers) stays below by up to one of its steps, and one whose largest
 * schedule is within the budget gives that.
 *
 * @param family The schedules to choose from.
 * @param budget What they may cost.
 * @returns The schedule and its t.
 * @throws {RangeError} If even the least schedule costs more.
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

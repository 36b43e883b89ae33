/**
 * Searches that find how few vision tokens each layer needs. G-Search gives up
 * no performance. P-Sigmoid finds the best performance within a budget, and
 * `baselines()` solves the methods that it has to beat there. The cost model
 * and the statistics say what a schedule costs and how certain a result is.
 *
 * A search never sees a model, only a function from a schedule to per-sample
 * results. The example uses a toy function. Its layers 1 and 2 need 5 and 3 of
 * 8 vision tokens:
 *
 * @example Search a schedule
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Evaluate, gSearch } from "@tokensieve/tokensieve/search";
 *
 * const evaluate: Evaluate = ({ keep }) => {
 *   const correct = keep[1] >= 5 && keep[2] >= 3;
 *   const loss = correct ? 0.1 : 2;
 *   const samples = [{ index: 0, correct, loss }];
 *   return Promise.resolve({ samples, total: 1 });
 * };
 *
 * const search = gSearch(evaluate, {
 *   layers: 3,
 *   visionTokens: 8,
 *   firstLayer: 1,
 *   criterion: { kind: "accuracy", epsilon: 0.5 },
 * });
 * let step = await search.next();
 * while (!step.done) {
 *   const { layer, keep, verdict } = step.value;
 *   console.log(`layer ${layer} with ${keep} tokens: ${verdict}`);
 *   step = await search.next();
 * }
 * assertEquals(step.value.schedule.keep, [8, 5, 3]);
 * ```
 *
 * @example Find the best schedule within a budget
 * ```ts
 * import { assert } from "@std/assert";
 * import {
 *   type Budget,
 *   costOf,
 *   type Evaluate,
 *   pSigmoid,
 * } from "@tokensieve/tokensieve/search";
 *
 * const needs = [100, 80, 60, 10, 0, 0];
 * const evaluate: Evaluate = ({ keep }) => {
 *   const lacking = needs.map((need, i) => Math.max(0, need - keep[i]) / 100);
 *   const loss = 0.1 + lacking.reduce((sum, share) => sum + share);
 *   const samples = [{ index: 0, correct: loss < 0.5, loss }];
 *   return Promise.resolve({ samples, total: 1 });
 * };
 *
 * const budget: Budget = { kind: "rate", limit: 0.45 };
 * const search = pSigmoid(evaluate, {
 *   layers: 6,
 *   visionTokens: 100,
 *   firstLayer: 1,
 *   budget,
 *   evaluations: 20,
 * });
 * let step = await search.next();
 * while (!step.done) step = await search.next();
 * const { schedule, k, a, b } = step.value;
 * console.log(`k ${k}, a ${a}, b ${b}: ${schedule.keep}`);
 * assert(costOf(schedule, budget) <= 0.45);
 * assert(schedule.keep[2] > 50 && schedule.keep[5] < 20);
 * ```
 *
 * @module
 */

export * from "./baselines.ts";
export * from "./budget.ts";
export * from "./cost.ts";
export * from "./criterion.ts";
export * from "./evaluate.ts";
export * from "./schedule_families.ts";
export * from "./fitprune.ts";
export * from "./gsearch.ts";
export * from "./objective.ts";
export * from "./psigmoid.ts";
export * from "./rank_correlation.ts";
export * from "./sigmoid.ts";
export * from "./statistics.ts";
export type { TrialOptions } from "./calls.ts";
export type { Ranking } from "../core/ranking.ts";
export type { Schedule } from "../core/schedule.ts";

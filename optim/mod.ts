/**
 * Bayesian optimisation with a Gaussian process made by hand: few evaluations of
 * an expensive function to a good point, with noise, failures, constraints,
 * integers, categories and several evaluations at a time. No dependencies, and
 * each part of use without the others: the Gaussian process, L-BFGS in a box,
 * Sobol points, acquisition functions, Cholesky factors.
 *
 * `docs/bayesian-optimisation.md` goes from the formulas to the code.
 *
 * @example Minimise a function of two parameters in 25 evaluations
 * ```ts
 * import { assert } from "@std/assert";
 * import { minimize } from "@tokensieve/tokensieve/optim";
 *
 * const { best } = await minimize(
 *   ({ rate, layers }) => (Math.log10(rate) + 2) ** 2 + (layers - 3) ** 2,
 *   {
 *     rate: { kind: "logFloat", low: 1e-4, high: 1 },
 *     layers: { kind: "integer", low: 1, high: 8 },
 *   },
 *   { budget: 25, startingPoints: 8 },
 * );
 * assert(best!.value < 1e-3 && best!.point.layers === 3);
 * ```
 *
 * @example The same, with the loop in your hands
 * ```ts
 * import { assert } from "@std/assert";
 * import {
 *   askBayes,
 *   bestObserved,
 *   initBayes,
 *   tellBayes,
 * } from "@tokensieve/tokensieve/optim";
 *
 * let state = initBayes({
 *   parameters: {
 *     rate: { kind: "logFloat", low: 1e-4, high: 1 },
 *     layers: { kind: "integer", low: 1, high: 8 },
 *   },
 *   goal: "minimise",
 *   startingPoints: 8,
 * });
 * for (let i = 0; i < 25; i++) {
 *   const { state: asked, points: [point] } = askBayes(state);
 *   const loss = (Math.log10(point.rate) + 2) ** 2 + (point.layers - 3) ** 2;
 *   state = tellBayes(asked, point, loss);
 * }
 * const best = bestObserved(state)!;
 * assert(best.value! < 1e-3 && best.point.layers === 3);
 * ```
 *
 * @module
 */

export * from "./acquisition.ts";
export * from "./bayes.ts";
export * from "./bayes_result.ts";
export * from "./bayes_state.ts";
export * from "./covariance.ts";
export * from "./gp.ts";
export * from "./gp_diagnostics.ts";
export * from "./gp_fit.ts";
export * from "./gp_joint.ts";
export type { LogNormalPrior } from "./gp_likelihood.ts";
export * from "./lbfgs.ts";
export * from "./linalg.ts";
export * from "./maximize_acquisition.ts";
export * from "./minimize.ts";
export * from "./normal.ts";
export type { Observations } from "./observations.ts";
export * from "./random.ts";
export * from "./sobol.ts";
export * from "./space.ts";
export * from "./warp.ts";

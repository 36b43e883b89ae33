/**
 * Bayesian optimisation with a Gaussian process written from scratch. It finds a
 * good point of an expensive function in few evaluations, and handles noise,
 * failures, constraints, integers, categories and parallel evaluations. It has no
 * dependencies. Every part can be used alone: the Gaussian process, L-BFGS in a
 * box, Sobol points, acquisition functions, Cholesky factors.
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
export * from "./gp/covariance.ts";
export * from "./gp/fit.ts";
export * from "./gp/gp.ts";
export type { LogNormalPrior } from "./gp/likelihood.ts";
export type { Observations } from "./gp/observations.ts";
export * from "./math/lbfgs.ts";
export * from "./math/linalg.ts";
export * from "./math/normal.ts";
export * from "./math/random.ts";
export * from "./math/sobol.ts";
export * from "./maximize_acquisition.ts";
export * from "./minimize.ts";
export * from "./space.ts";
export * from "./warp.ts";

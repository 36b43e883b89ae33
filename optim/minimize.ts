/**
 * Bayesian optimisation in one call: the loop of `askBayes()` and `tellBayes()`
 * around a function.
 */

// This module is browser compatible.

import { askBayes, type BayesOptions, initBayes, tellBayes } from "./bayes.ts";
import { bestObserved, bestPoint } from "./bayes_result.ts";
import type { BayesState, Evaluation, Outcome } from "./bayes_state.ts";
import { checkKeys } from "./keys.ts";
import type { ParameterSet, PointOf } from "./space.ts";

/**
 * A function of a point. It returns its value, with the values of constraints if
 * there are any; NaN says that the evaluation failed. An error that it throws
 * ends the optimisation.
 */
export type Objective<P extends ParameterSet = ParameterSet> = (
  point: PointOf<P>,
  context: { readonly index: number; readonly signal?: AbortSignal },
) => number | Outcome | Promise<number | Outcome>;

/** An evaluation that has just been made. */
export interface Trial<P extends ParameterSet = ParameterSet> {
  /** Its place among all evaluations, from 0. */
  readonly index: number;
  /** Where, and what came out. */
  readonly evaluation: Evaluation<P>;
  /** The best feasible evaluation so far; null if there is none. */
  readonly best: Evaluation<P> | null;
  /** The optimisation, to be saved or looked into. */
  readonly state: BayesState<P>;
}

/** How to minimise or maximise. */
export interface MinimizeOptions<P extends ParameterSet = ParameterSet>
  extends Omit<BayesOptions<P>, "parameters" | "goal"> {
  /**
   * Evaluations at most, an integer of 1 or more. Default 50. A finite space
   * without noise may end before.
   */
  readonly budget?: number;
  /**
   * How many evaluations run side by side, an integer of 1 or more. The next ones
   * are chosen when all of them are done, so that the course does not depend on
   * which is fastest. Default 1.
   */
  readonly batch?: number;
  /** Called after every evaluation. */
  readonly onTrial?: (trial: Trial<P>) => void;
  /** Ends the optimisation with the signal's reason; given to the function too. */
  readonly signal?: AbortSignal;
}

/** The result of an optimisation. */
export interface Optimum<P extends ParameterSet = ParameterSet> {
  /**
   * The best feasible point and its value; null if no point was feasible. With
   * `noisy`, the point and value that the model expects to be best (`bestPoint()`),
   * as the best value observed owes much to luck.
   */
  readonly best: { readonly point: PointOf<P>; readonly value: number } | null;
  /** The optimisation, with all evaluations. */
  readonly state: BayesState<P>;
}

/**
 * Minimises an expensive function in few evaluations.
 *
 * @param f The function; may be asynchronous.
 * @param space The parameters by name. Those of `f` take their types from it.
 * @param options Budget, noise, constraints, progress and more.
 * @returns The best point, and the optimisation.
 * @throws {TypeError} If an option is misspelt or an outcome is not a number.
 * @throws {RangeError} If a parameter or a number is out of range.
 *
 * @example A category, a failure and progress
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { minimize } from "@tokensieve/tokensieve/optim";
 *
 * const { best } = await minimize(
 *   ({ lr, kind }) => lr > 0.9 ? NaN : (lr - 0.3) ** 2 + (kind === "a" ? 0 : 1),
 *   {
 *     lr: { kind: "float", low: 0, high: 1 },
 *     kind: { kind: "categorical", values: ["a", "b"] },
 *   },
 *   { budget: 15, startingPoints: 5, onTrial: ({ index, best }) => {} },
 * );
 * assertEquals(best?.point.kind, "a");
 * ```
 */
export function minimize<const P extends ParameterSet>(
  f: Objective<NoInfer<P>>,
  space: P,
  options: MinimizeOptions<NoInfer<P>> = {},
): Promise<Optimum<P>> {
  return optimise(f, space, "minimise", options);
}

/**
 * Maximises an expensive function: `minimize()` with large values being good.
 *
 * @param f The function; may be asynchronous.
 * @param space The parameters by name. Those of `f` take their types from it.
 * @param options Budget, noise, constraints, progress and more.
 * @returns The best point, and the optimisation.
 * @throws {TypeError} If an option is misspelt or an outcome is not a number.
 * @throws {RangeError} If a parameter or a number is out of range.
 */
export function maximize<const P extends ParameterSet>(
  f: Objective<NoInfer<P>>,
  space: P,
  options: MinimizeOptions<NoInfer<P>> = {},
): Promise<Optimum<P>> {
  return optimise(f, space, "maximise", options);
}

/** All keys of `MinimizeOptions`. */
const OPTIONS = [
  "budget",
  "batch",
  "constraints",
  "warmStart",
  "startingPoints",
  "noisy",
  "seed",
  "onTrial",
  "signal",
] as const satisfies readonly (keyof MinimizeOptions)[];

async function optimise<P extends ParameterSet>(
  f: Objective<P>,
  space: P,
  goal: "minimise" | "maximise",
  options: MinimizeOptions<P>,
): Promise<Optimum<P>> {
  const action = `${goal} a function`;
  checkKeys(action, "options", options, OPTIONS);
  const { budget = 50, batch = 1, onTrial, signal, ...others } = options;
  for (const [name, value] of Object.entries({ budget, batch })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(
        `Cannot ${action} as ${name} must be an integer of 1 or more: current value is ${value}`,
      );
    }
  }
  let state = initBayes<P>({ ...others, parameters: space, goal });
  while (state.evaluations.length < budget) {
    await nextTask();
    signal?.throwIfAborted();
    const first = state.evaluations.length;
    const asked = askBayes(state, Math.min(batch, budget - first));
    if (asked.points.length === 0) break;
    state = asked.state;
    const outcomes = await Promise.all(
      asked.points.map(async (point, i) => {
        const context = { index: first + i, ...(signal && { signal }) };
        return await f(point, context);
      }),
    );
    signal?.throwIfAborted();
    outcomes.forEach((outcome, i) => {
      state = tellBayes(state, asked.points[i], outcome);
      onTrial?.({
        index: first + i,
        evaluation: state.evaluations[first + i],
        best: bestObserved(state),
        state,
      });
    });
  }
  const observed = bestObserved(state);
  return {
    best: options.noisy
      ? bestPoint(state)
      : observed && { point: observed.point, value: observed.value! },
    state,
  };
}

/** Lets others run, a page or whoever aborts, even where `f` is synchronous. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

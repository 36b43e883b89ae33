/**
 * The default settings of searches. They were chosen on the embedded model's
 * validation questions (docs/criteria.md), never on the questions that results
 * are reported on.
 */

import type { Criterion } from "../search/mod.ts";

/** ε by criterion. */
export const DEFAULT_EPSILON: Readonly<Record<Criterion["kind"], number>> = {
  accuracy: 0.5,
  loss: 0.01,
  bound: 0.5,
};

/** The default criterion of G-Search. */
export const DEFAULT_CRITERION: Criterion = {
  kind: "bound",
  epsilon: DEFAULT_EPSILON.bound,
};

/** The default numbers of questions. */
export const DEFAULT_COUNTS = { calibration: 2000, heldout: 2000 };

/**
 * The numbers of questions if G-Search does not run. P-Sigmoid compares
 * schedules with each other, which takes fewer questions than a proof that a
 * schedule loses nothing.
 */
export const P_SIGMOID_COUNTS: typeof DEFAULT_COUNTS = {
  ...DEFAULT_COUNTS,
  calibration: 640,
};

/** The default budgets of P-Sigmoid, as the command line writes them. */
export const DEFAULT_BUDGETS = "0.40,0.27,0.17";

/** The number of schedules that P-Sigmoid tries within each budget. */
export const DEFAULT_EVALUATIONS = 40;

/** The numbers of questions with `--quick`. */
export const QUICK_COUNTS: typeof DEFAULT_COUNTS = {
  calibration: 128,
  heldout: 200,
};

/** ε with `--quick`: so few questions cannot prove a smaller loss. */
export const QUICK_EPSILON: typeof DEFAULT_EPSILON = {
  ...DEFAULT_EPSILON,
  bound: 2.5,
};

/** The number of schedules that P-Sigmoid tries with `--quick`. */
export const QUICK_EVALUATIONS = 12;

/**
 * The first layer that G-Search reduces. It is 3 in models of 24 layers and
 * more, as the paper's FLOPs imply. In shallow models it lies a quarter of the
 * way down, rounded up (our decision).
 *
 * @param layers L, decoder layers of the model
 */
export function defaultFirstLayer(layers: number): number {
  return Math.min(3, Math.ceil(layers / 4));
}

/**
 * The smallest first layer of P-Sigmoid. Its search of the first layer begins
 * there.
 */
export const LEAST_FIRST_LAYER = 1;

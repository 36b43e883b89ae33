/**
 * How searches run where nobody says otherwise: chosen on the embedded model's
 * validation questions (docs/criteria.md), never on those that results are
 * reported on.
 */

import type { Criterion } from "../search/mod.ts";

/** ε by criterion. */
export const DEFAULT_EPSILON: Readonly<Record<Criterion["kind"], number>> = {
  accuracy: 0.5,
  loss: 0.01,
  bound: 0.5,
};

/** The criterion of G-Search. */
export const DEFAULT_CRITERION: Criterion = {
  kind: "bound",
  epsilon: DEFAULT_EPSILON.bound,
};

/** Questions. */
export const DEFAULT_COUNTS = { calibration: 2000, heldout: 2000 };

/**
 * Questions where G-Search does not run: P-Sigmoid compares schedules with each
 * other, which takes fewer questions than to show that one loses nothing.
 */
export const P_SIGMOID_COUNTS: typeof DEFAULT_COUNTS = {
  ...DEFAULT_COUNTS,
  calibration: 640,
};

/** Budgets of P-Sigmoid, as the command line writes them. */
export const DEFAULT_BUDGETS = "0.40,0.27,0.17";

/** Schedules that P-Sigmoid tries within each. */
export const DEFAULT_EVALUATIONS = 40;

/** Questions of a first look. */
export const QUICK_COUNTS: typeof DEFAULT_COUNTS = {
  calibration: 128,
  heldout: 200,
};

/** ε of a first look: so few questions cannot show less. */
export const QUICK_EPSILON: typeof DEFAULT_EPSILON = {
  ...DEFAULT_EPSILON,
  bound: 2.5,
};

/** Schedules that P-Sigmoid tries in a first look. */
export const QUICK_EVALUATIONS = 12;

/**
 * The first layer that G-Search reduces: 3, as the paper's FLOPs tell of models
 * with 24 layers and more, but in shallow ones a quarter of the way, rounded up
 * (our decision).
 *
 * @param layers L, decoder layers of the model
 */
export function defaultFirstLayer(layers: number): number {
  return Math.min(3, Math.ceil(layers / 4));
}

/** The first layer that P-Sigmoid may reduce; it searches from there on. */
export const LEAST_FIRST_LAYER = 1;

/**
 * The record of a Bayesian optimisation.
 */

// This module is browser compatible.

import {
  type ParameterSet,
  pointKey,
  type PointOf,
  type Space,
} from "./space.ts";

/** The result of an evaluation. */
export interface Outcome {
  /** Value of the objective; NaN (or an infinity) when the evaluation failed. */
  readonly value: number;
  /**
   * Values of the constraints by name, feasible when at most 0. A failed
   * evaluation may leave out those that are not known.
   */
  readonly constraints?: Readonly<Record<string, number>>;
}

/** A point that was evaluated. */
export interface Evaluation<P extends ParameterSet = ParameterSet> {
  /** Where. */
  readonly point: PointOf<P>;
  /** Value of the objective; null when the evaluation failed. */
  readonly value: number | null;
  /** Values of the constraints, in the order of their names; null as above. */
  readonly constraints: readonly (number | null)[];
}

/** Hyper-parameters of a Gaussian process, as `HyperParameters` but JSON. */
export interface Fit {
  /** How many observations they were fitted to. */
  readonly size: number;
  /** Length scale of each coordinate. */
  readonly lengthScales: readonly number[];
  /** Prior variance of the function, in standardised outputs. */
  readonly outputScale: number;
  /** Noise variance, in standardised outputs. */
  readonly noise: number;
  /** The constant mean, in standardised outputs. */
  readonly mean: number;
}

/** Where an optimisation stands; JSON-serialisable, never changed in place. */
export interface BayesState<P extends ParameterSet = ParameterSet> {
  /** The parameters by name. */
  readonly parameters: P;
  /** Whether small or large values are good. */
  readonly goal: "minimise" | "maximise";
  /** Names of the constraints. */
  readonly constraints: readonly string[];
  /** Points to evaluate before the model is asked. */
  readonly startingPoints: number;
  /** Whether the same point may give another value. */
  readonly noisy: boolean;
  /** Where randomness comes from. */
  readonly seed: number;
  /** Warm-start points that were not asked for yet. */
  readonly waiting: readonly PointOf<P>[];
  /** All points asked for so far. */
  readonly asked: number;
  /** Points that were asked for and not told yet. */
  readonly pending: readonly PointOf<P>[];
  /** The evaluations, in the order in which they were told. */
  readonly evaluations: readonly Evaluation<P>[];
  /**
   * The last fits: of the objective, of each constraint, of the failures; null
   * where there are no observations.
   */
  readonly fits: readonly (Fit | null)[];
}

/** The keys (`pointKey()`) of all points that are evaluated or pending. */
export function takenKeys(
  space: Space,
  { evaluations, pending }: Pick<BayesState, "evaluations" | "pending">,
): Set<string> {
  const points = [...evaluations.map(({ point }) => point), ...pending];
  return new Set(points.map((point) => pointKey(space, point)));
}

/** Whether an evaluation has a value and keeps to all constraints. */
export function isFeasible({ value, constraints }: Evaluation): boolean {
  return value !== null && constraints.every((c) => c !== null && c <= 0);
}

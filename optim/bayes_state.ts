/**
 * The record of a Bayesian optimisation.
 */

// This module is browser compatible.

import { type Parameter, type Point, pointKey, type Space } from "./space.ts";

/** What came out at a point. */
export interface Outcome {
  /** Value of the objective; NaN (or an infinity) when the evaluation failed. */
  readonly value: number;
  /** Values of the constraints by name, feasible when at most 0. */
  readonly constraints?: Readonly<Record<string, number>>;
}

/** A point that was evaluated. */
export interface Evaluation {
  /** Where. */
  readonly point: Point;
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
export interface BayesState {
  /** The parameters by name. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** Whether small or large values are good. */
  readonly goal: "minimise" | "maximise";
  /** Names of the constraints. */
  readonly constraints: readonly string[];
  /** Points to evaluate before the model is asked. */
  readonly startingPoints: number;
  /** Where randomness comes from. */
  readonly seed: number;
  /** Warm-start points that were not asked for yet. */
  readonly waiting: readonly Point[];
  /** All points asked for so far. */
  readonly asked: number;
  /** Points that were asked for and not told yet. */
  readonly pending: readonly Point[];
  /** What was told, in that order. */
  readonly evaluations: readonly Evaluation[];
  /**
   * The last fits, of the objective, of each constraint and of the failures;
   * null for what nothing is known of.
   */
  readonly fits: readonly (Fit | null)[];
}

/** `pointKey()` of all points that are evaluated or pending. */
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

/** What tests of the Bayesian optimiser share. */

import {
  askBayes,
  type BayesOptions,
  type BayesState,
  initBayes,
  type Outcome,
  type Parameter,
  type Point,
  tellBayes,
} from "../optim/mod.ts";

/** Two parameters. */
export const SQUARE: Readonly<Record<string, Parameter>> = {
  x: { kind: "float", low: -1, high: 1 },
  y: { kind: "float", low: -1, high: 1 },
};

/** Least value 0 at (0.3, −0.5). */
export function bowl(point: Point): number {
  const { x, y } = point as { x: number; y: number };
  return (x - 0.3) ** 2 + 2 * (y + 0.5) ** 2;
}

/** Asks and tells, one point at a time. */
export function optimise(
  state: BayesState,
  evaluate: (point: Point) => number | Outcome,
  evaluations: number,
): BayesState {
  for (let i = 0; i < evaluations; i++) {
    const { state: asked, points: [point] } = askBayes(state);
    state = tellBayes(asked, point, evaluate(point));
  }
  return state;
}

/** An optimisation of the square. */
export function start(options: Partial<BayesOptions> = {}): BayesState {
  return initBayes({
    parameters: SQUARE,
    goal: "minimise",
    startingPoints: 5,
    ...options,
  });
}

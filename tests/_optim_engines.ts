/**
 * A few optimisations of functions that every engine computes alike, for
 * tests/optim/engines_test.ts. Prints what they suggested.
 */
// deno-lint-ignore-file no-console

import {
  askBayes,
  type BayesState,
  initBayes,
  type Parameter,
  type Point,
  tellBayes,
} from "../optim/mod.ts";

const SPACES: readonly Readonly<Record<string, Parameter>>[] = [
  {
    x: { kind: "float", low: -1, high: 1 },
    y: { kind: "float", low: -1, high: 1 },
  },
  {
    rate: { kind: "logFloat", low: 1e-3, high: 1 },
    n: { kind: "integer", low: 0, high: 20 },
    c: { kind: "categorical", values: [0, 1, 2, 3] },
  },
];

/** Products and sums alone; NaN in a corner. */
function f(point: Point): number {
  const [a, b, c = 0] = Object.values(point) as number[];
  if (a > 0.8 && b > 0.8 && b < 10) return NaN;
  return (a - 0.3) * (a - 0.3) * (1 + b * b) + a * b * (b - c) / 10 + c * a;
}

/** Suggestions in batches of two. */
export function suggest(): { points: readonly Point[]; log: number | null }[] {
  return SPACES.flatMap((parameters) => {
    let state: BayesState = initBayes({
      parameters,
      goal: "minimise",
      startingPoints: 5,
      seed: 2,
    });
    return Array.from({ length: 10 }, () => {
      const asked = askBayes(state, 2);
      state = asked.points.reduce(
        (state, point) => tellBayes(state, point, f(point)),
        asked.state,
      );
      return { points: asked.points, log: asked.logImprovement };
    });
  });
}

if (import.meta.url.endsWith(".mjs")) console.log(JSON.stringify(suggest()));

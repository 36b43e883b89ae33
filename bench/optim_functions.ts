/**
 * Functions to try optimisers on, to be minimised (Surjanovic and Bingham,
 * "Virtual library of simulation experiments").
 */

/** A function to be minimised in a box. */
export interface TestFunction {
  /** Its value at a point. */
  readonly evaluate: (x: readonly number[]) => number;
  /** Least and largest value of each coordinate. */
  readonly bounds: readonly (readonly [low: number, high: number])[];
  /** Its least value in the box. */
  readonly minimum: number;
  /** Evaluations an optimiser is given. */
  readonly evaluations: number;
}

const HARTMANN_ALPHA = [1, 1.2, 3, 3.2];
const HARTMANN_A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const HARTMANN_P = [
  [1312, 1696, 5569, 124, 8283, 5886],
  [2329, 4135, 8307, 3736, 1004, 9991],
  [2348, 1451, 3522, 2883, 3047, 6650],
  [4047, 8828, 8732, 5743, 1091, 381],
];

function branin([a, b]: readonly number[]): number {
  const c = b - 5.1 / (4 * Math.PI ** 2) * a ** 2 + 5 / Math.PI * a - 6;
  return c ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(a) + 10;
}

function hartmann6(x: readonly number[]): number {
  return -HARTMANN_ALPHA.reduce((sum, alpha, i) => {
    const square = x.reduce(
      (s, xJ, j) => s + HARTMANN_A[i][j] * (xJ - 1e-4 * HARTMANN_P[i][j]) ** 2,
      0,
    );
    return sum + alpha * Math.exp(-square);
  }, 0);
}

function ackley(x: readonly number[]): number {
  const mean = (f: (value: number) => number): number =>
    x.reduce((sum, value) => sum + f(value), 0) / x.length;
  return -20 * Math.exp(-0.2 * Math.sqrt(mean((value) => value ** 2))) -
    Math.exp(mean((value) => Math.cos(2 * Math.PI * value))) + 20 + Math.E;
}

function rosenbrock(x: readonly number[]): number {
  return x.slice(1).reduce(
    (sum, next, i) => sum + 100 * (next - x[i] ** 2) ** 2 + (1 - x[i]) ** 2,
    0,
  );
}

/** The functions by name. */
export const FUNCTIONS: Readonly<Record<string, TestFunction>> = {
  branin: {
    evaluate: branin,
    bounds: [[-5, 10], [0, 15]],
    minimum: 0.39788735772973816,
    evaluations: 40,
  },
  hartmann6: {
    evaluate: hartmann6,
    bounds: Array(6).fill([0, 1]),
    minimum: -3.322368011415515,
    evaluations: 60,
  },
  ackley5: {
    evaluate: ackley,
    bounds: Array(5).fill([-32.768, 32.768]),
    minimum: 0,
    evaluations: 60,
  },
  rosenbrock4: {
    evaluate: rosenbrock,
    bounds: Array(4).fill([-5, 10]),
    minimum: 0,
    evaluations: 60,
  },
};

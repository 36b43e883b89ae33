/**
 * The Bayesian optimiser where it is hard: several points at a time, evaluations
 * that fail, functions of many basins, noise. Each has functions by which
 * settings were chosen (`--set chosen`) and others that are reported.
 *
 *     deno run -A bench/optim_hard.ts                      # all, about 10 min
 *     deno run -A bench/optim_hard.ts --only failures,batches --seeds 5
 *     deno run -A bench/optim_hard.ts --set chosen
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import {
  askBayes,
  bestPoint,
  createPrng,
  drawNormal,
  initBayes,
  minimize,
  type PointOf,
  tellBayes,
} from "../optim/mod.ts";
import { createStatusLine } from "./progress.ts";
import { FUNCTIONS } from "./optim_functions.ts";

/** A function to be minimised in a box; NaN where an evaluation fails. */
interface Problem {
  readonly f: (x: readonly number[]) => number;
  readonly bounds: readonly (readonly [low: number, high: number])[];
  /** Its least value. */
  readonly minimum: number;
}

type Axes = Record<string, { kind: "float"; low: number; high: number }>;

const STARTING_POINTS = 10;

const sum = (
  x: readonly number[],
  f: (v: number, i: number) => number,
): number => x.reduce((total, v, i) => total + f(v, i), 0);
const box = (d: number, low: number, high: number) =>
  Array.from({ length: d }, () => [low, high] as const);

/** Fails outside of a region. */
function within(
  { f, bounds }: Problem,
  minimum: number,
  isInside: (x: readonly number[]) => boolean,
): Problem {
  return { f: (x) => isInside(x) ? f(x) : NaN, bounds, minimum };
}

const BRANIN: Problem = { ...FUNCTIONS.branin, f: FUNCTIONS.branin.evaluate };
const HARTMANN6: Problem = {
  ...FUNCTIONS.hartmann6,
  f: FUNCTIONS.hartmann6.evaluate,
};

const BOWL: Problem = {
  f: ([x, y]) => (x - 0.3) ** 2 + 2 * (y + 0.5) ** 2,
  bounds: box(2, -1, 1),
  minimum: 0,
};
const BOWL4: Problem = {
  f: (x) => sum(x, (v, i) => (1 + i) * (v - 0.2 * i + 0.4) ** 2),
  bounds: box(4, -1, 1),
  minimum: 0,
};
const WAVES2: Problem = {
  f: ([x, y]) => Math.sin(3 * x) * Math.cos(2 * y) + 0.1 * (x * x + y * y),
  bounds: box(2, -3, 3),
  minimum: -0.97318,
};
const ROSENBROCK2: Problem = {
  f: ([x, y]) => 100 * (y - x * x) ** 2 + (1 - x) ** 2,
  bounds: box(2, -1.5, 1.5),
  minimum: 0,
};
const BIRD: Problem = {
  f: ([x, y]) =>
    Math.sin(y) * Math.exp((1 - Math.cos(x)) ** 2) +
    Math.cos(x) * Math.exp((1 - Math.sin(y)) ** 2) + (x - y) ** 2,
  bounds: [[-10, 0], [-6.5, 0]],
  minimum: -106.7645367,
};
const LEVY4: Problem = {
  f: (x) => {
    const w = x.map((v) => 1 + (v - 1) / 4);
    return Math.sin(Math.PI * w[0]) ** 2 +
      sum(
        w.slice(0, -1),
        (v) => (v - 1) ** 2 * (1 + 10 * Math.sin(Math.PI * v + 1) ** 2),
      ) + (w.at(-1)! - 1) ** 2 * (1 + Math.sin(2 * Math.PI * w.at(-1)!) ** 2);
  },
  bounds: box(4, -10, 10),
  minimum: 0,
};
const STYBLINSKI5: Problem = {
  f: (x) => sum(x, (v) => 0.5 * (v ** 4 - 16 * v ** 2 + 5 * v)),
  bounds: box(5, -5, 5),
  minimum: -39.16616570377142 * 5,
};
/** Two wells in each coordinate, of depths that differ a little. */
const WELLS4: Problem = {
  f: (x) => sum(x, (v, i) => (v * v - 1) ** 2 + 0.2 * (1 + 0.3 * i) * v),
  bounds: box(4, -2, 2),
  minimum: -1.1813315,
};
const MICHALEWICZ3: Problem = {
  f: (x) =>
    -sum(x, (v, i) => Math.sin(v) * Math.sin((i + 1) * v * v / Math.PI) ** 4),
  bounds: box(3, 0, Math.PI),
  minimum: -2.7814542,
};
const RASTRIGIN3: Problem = {
  f: (x) => sum(x, (v) => v * v - 3 * Math.cos(2 * Math.PI * v) + 3),
  bounds: box(3, -1.7, 1.4),
  minimum: 0,
};

/** Functions by which settings were chosen, and functions that are reported. */
const SETS: Readonly<
  Record<string, Record<string, Readonly<Record<string, Problem>>>>
> = {
  chosen: {
    batches: { BOWL, WAVES2, BOWL4 },
    failures: {
      "bowl behind": within(BOWL, 0.09, ([x]) => x <= 0),
      "bowl at": within(BOWL, 0, ([x]) => x <= 0.3),
      "bowl4 behind": within(BOWL4, 0.0768006, (x) => sum(x, (v) => v) <= -0.8),
      "waves disc": within(
        WAVES2,
        -0.97318,
        ([x, y]) => (x + 0.5) ** 2 + y ** 2 <= 1,
      ),
    },
    basins: { WELLS4, RASTRIGIN3, BOWL4 },
    noise: { BOWL, WAVES2, BOWL4 },
  },
  reported: {
    batches: { BRANIN, BIRD, LEVY4, HARTMANN6 },
    failures: {
      // The optimum is on the border.
      "Rosenbrock in a disc": within(
        ROSENBROCK2,
        0,
        ([x, y]) => x * x + y * y <= 2,
      ),
      // Two of three optima are behind the border.
      "Branin, half": within(
        BRANIN,
        BRANIN.minimum,
        ([x, y]) => x + y <= 6,
      ),
      "Bird in a disc": within(
        BIRD,
        BIRD.minimum,
        ([x, y]) => (x + 5) ** 2 + (y + 5) ** 2 < 25,
      ),
      // The optimum is behind the border; this is the least value before it.
      "Levy, half": within(LEVY4, 0.5908446, (x) => x[0] <= 0),
    },
    basins: { STYBLINSKI5, MICHALEWICZ3, LEVY4, BRANIN, HARTMANN6 },
    noise: { BRANIN, HARTMANN6, STYBLINSKI5 },
  },
};

function axesOf({ bounds }: Problem): Axes {
  return Object.fromEntries(
    bounds.map(([low, high], i) => [`x${i}`, { kind: "float", low, high }]),
  );
}

const valuesOf = (point: PointOf<Axes>): number[] => Object.values(point);

/** Places in the unit cube. */
function placeOf({ bounds }: Problem, point: PointOf<Axes>): number[] {
  return valuesOf(point).map((v, i) =>
    (v - bounds[i][0]) / (bounds[i][1] - bounds[i][0])
  );
}

const format = (value: number): string => value.toPrecision(2);

/** The value below which a share of the values lie. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))];
}

const quartiles = (values: readonly number[]): string =>
  `${format(quantile(values, 0.5))} (${format(quantile(values, 0.25))} to ${
    format(quantile(values, 0.75))
  })`;

/** Ten batches of four, beside forty single points. */
async function batches(name: string, problem: Problem, seeds: number) {
  const regrets: Record<string, number[]> = { "4 × 10": [], "40 × 1": [] };
  let [close, closer, all] = [0, 0, 0];
  for (let seed = 0; seed < seeds; seed++) {
    for (const batch of [4, 1]) {
      const { best, state } = await minimize(
        (point) => problem.f(valuesOf(point)),
        axesOf(problem),
        { budget: 40, batch, seed, startingPoints: 12 },
      );
      regrets[batch === 4 ? "4 × 10" : "40 × 1"].push(
        best!.value - problem.minimum,
      );
      if (batch === 1) continue;
      const places = state.evaluations.map(({ point }) =>
        placeOf(problem, point)
      );
      for (let first = 12; first < 40; first += 4) {
        const four = places.slice(first, first + 4);
        const nearest = Math.min(
          ...four.flatMap((a, i) =>
            four.slice(0, i).map((b) =>
              Math.hypot(...a.map((v, k) => v - b[k]))
            )
          ),
        );
        all++;
        if (nearest < 0.01) close++;
        if (nearest < 0.001) closer++;
      }
    }
    status.show(`batches, ${name}: seed ${seed + 1} of ${seeds}`);
  }
  status.clear();
  console.log(
    `${name}: ${close} of ${all} batches hold two points closer than 0.01 of the cube, ${closer} closer than 0.001; regret ${
      Object.entries(regrets).map(([k, v]) => `${k} ${quartiles(v)}`).join(", ")
    }`,
  );
}

/** Thirty suggestions after ten starting points. */
async function failures(name: string, problem: Problem, seeds: number) {
  const failed: number[] = [];
  const regrets: number[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const { best, state } = await minimize(
      (point) => problem.f(valuesOf(point)),
      axesOf(problem),
      { budget: 40, seed, startingPoints: STARTING_POINTS },
    );
    const late = state.evaluations.slice(STARTING_POINTS);
    failed.push(late.filter(({ value }) => value === null).length);
    regrets.push((best?.value ?? Infinity) - problem.minimum);
    status.show(`failures, ${name}: seed ${seed + 1} of ${seeds}`);
  }
  status.clear();
  console.log(
    `${name}: ${quartiles(failed)} of 30 suggestions fail, regret ${
      quartiles(regrets)
    }`,
  );
}

/** Sixty evaluations of a function of many basins. */
async function basins(name: string, problem: Problem, seeds: number) {
  const regrets: number[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const { best } = await minimize(
      (point) => problem.f(valuesOf(point)),
      axesOf(problem),
      { budget: 60, seed, startingPoints: STARTING_POINTS },
    );
    regrets.push(best!.value - problem.minimum);
    status.show(`basins, ${name}: seed ${seed + 1} of ${seeds}`);
  }
  status.clear();
  console.log(
    `${name}: regret ${quartiles(regrets)}, mean ${
      format(sum(regrets, (v) => v) / seeds)
    }`,
  );
}

/** Sixty evaluations with noise of a tenth of the spread of random values. */
function noise(name: string, problem: Problem, seeds: number) {
  const regrets: number[] = [];
  const spread = spreadOf(problem);
  for (let seed = 0; seed < seeds; seed++) {
    const random = createPrng(seed, 5);
    let state = initBayes({
      parameters: axesOf(problem),
      goal: "minimise",
      startingPoints: STARTING_POINTS,
      seed,
      noisy: true,
    });
    for (let i = 0; i < 60; i++) {
      const { state: asked, points: [point] } = askBayes(state);
      const value = problem.f(valuesOf(point)) +
        0.1 * spread * drawNormal(random);
      state = tellBayes(asked, point, value);
    }
    regrets.push(
      (problem.f(valuesOf(bestPoint(state)!.point)) - problem.minimum) / spread,
    );
    status.show(`noise, ${name}: seed ${seed + 1} of ${seeds}`);
  }
  status.clear();
  console.log(
    `${name}: regret of bestPoint() in spreads ${quartiles(regrets)}, mean ${
      format(sum(regrets, (v) => v) / seeds)
    }`,
  );
}

/** Standard deviation of the values of random points. */
function spreadOf({ f, bounds }: Problem): number {
  const random = createPrng(9);
  const values = Array.from(
    { length: 1000 },
    () => f(bounds.map(([low, high]) => low + random() * (high - low))),
  );
  const mean = sum(values, (v) => v) / values.length;
  return Math.sqrt(sum(values, (v) => (v - mean) ** 2) / values.length);
}

const SITUATIONS = { batches, failures, basins, noise };

const args = parseArgs(Deno.args, {
  string: ["only", "set", "seeds"],
  default: {
    only: Object.keys(SITUATIONS).join(),
    set: "reported",
    seeds: "10",
  },
});
const status = createStatusLine();
for (const [situation, measure] of Object.entries(SITUATIONS)) {
  if (!args.only.split(",").includes(situation)) continue;
  console.log(`\n${situation}`);
  for (const [name, problem] of Object.entries(SETS[args.set][situation])) {
    await measure(name, problem, Number(args.seeds));
  }
}

/**
 * How good and how fast the Bayesian optimiser is: simple regret after a fixed
 * number of evaluations of four functions, and the time of a suggestion, beside
 * other libraries with their defaults (bench/peers/optim/results.json).
 *
 *     deno task bench:optim                          # 20 seeds, about 2 min
 *     deno task bench:optim --seeds 5 --functions branin,ackley5
 *     deno task bench:optim --seeds 0 --python python3   # times, peers' anew
 */
// deno-lint-ignore-file no-console

import { parseArgs } from "@std/cli/parse-args";
import {
  askBayes,
  createPrng,
  createSobol,
  initBayes,
  type Point,
  tellBayes,
} from "../optim/mod.ts";
import { FUNCTIONS, type TestFunction } from "./optim_functions.ts";
import { createStatusLine } from "./progress.ts";

/** Evaluations before the model is asked, inside the budget. */
const STARTING_POINTS = 10;

/** Observations and dimensions at which a suggestion is timed, and the goal. */
const TIMED_SIZES = [
  { size: 30, on: "branin", goal: 0.03 },
  { size: 50, on: "ackley5", goal: 0.03 },
  { size: 100, on: "hartmann6", goal: 0.1 },
  { size: 200, on: "hartmann6", goal: 0.06 },
  { size: 300, on: "hartmann6", goal: 0.5 },
  { size: 1000, on: "hartmann6", goal: 0.3 },
];

/**
 * Share of the evaluations after which suggestions are timed: the last, so many
 * that hyper-parameters are found anew at least once among them.
 */
const TIMED_SHARE = 0.2;

/** Most suggestions that are timed. */
const MOST_TIMED = 60;

/** Suggestions before them that are not timed. */
const WARM_UP = 5;

/** The results that run.py writes. */
interface PeerResults {
  readonly versions: Record<string, string>;
  /** Simple regret by peer and function, one for each seed. */
  readonly regrets: Record<string, Record<string, number[]>>;
  /** Seconds for a suggestion by peer and size. */
  readonly seconds: Record<string, Record<string, number>>;
}

const RUNNER = new URL("peers/optim/run.py", import.meta.url);
const RESULTS = new URL("peers/optim/results.json", import.meta.url);

/** Optimises a function and gives all its values. */
type Run = (f: TestFunction, seed: number) => number[];

const OURS: Readonly<Record<string, Run>> = {
  random(f, seed) {
    const random = createPrng(seed);
    return Array.from(
      { length: f.evaluations },
      () =>
        f.evaluate(
          f.bounds.map(([low, high]) => low + random() * (high - low)),
        ),
    );
  },
  sobol(f, seed) {
    const sobol = createSobol(f.bounds.length, createPrng(seed));
    return Array.from({ length: f.evaluations }, (_, i) => {
      const shares = sobol.point(i);
      return f.evaluate(
        f.bounds.map(([low, high], d) => low + shares[d] * (high - low)),
      );
    });
  },
  tokensieve(f, seed) {
    let state = initialState(f, seed);
    for (let i = 0; i < f.evaluations; i++) {
      const { state: asked, points: [point] } = askBayes(state);
      state = tellBayes(asked, point, f.evaluate(coordinatesOf(point)));
    }
    return state.evaluations.map(({ value }) => value!);
  },
};

/** An optimisation with a float for each coordinate. */
function initialState(f: TestFunction, seed: number) {
  const parameters = Object.fromEntries(
    f.bounds.map(([low, high], d) =>
      [`x${d}`, { kind: "float", low, high }] as const
    ),
  );
  return initBayes({
    parameters,
    goal: "minimise",
    startingPoints: STARTING_POINTS,
    seed,
  });
}

function coordinatesOf(point: Point): number[] {
  return Object.values(point) as number[];
}

/** The value below which a share of the values lie, between two linearly. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

function format(value: number): string {
  return value.toPrecision(2);
}

/** Regrets of one function: a line for each of ours and each peer. */
function benchmark(
  name: string,
  f: TestFunction,
  seeds: number,
  peers: PeerResults,
): void {
  console.log(`\n${name}, ${f.evaluations} evaluations`);
  const show = (who: string, regrets: readonly number[]): void =>
    console.log(
      `  ${who.padEnd(16)} median ${
        format(quantile(regrets, 0.5)).padEnd(8)
      } quartiles ${format(quantile(regrets, 0.25))} to ${
        format(quantile(regrets, 0.75))
      } (${regrets.length} seeds)`,
    );
  for (const [who, run] of Object.entries(OURS)) {
    const regrets: number[] = [];
    for (let seed = 0; seed < seeds; seed++) {
      regrets.push(Math.min(...run(f, seed)) - f.minimum);
      status.show(`${name}: ${who}, seed ${seed + 1} of ${seeds}`);
    }
    status.clear();
    show(who, regrets);
  }
  for (const [who, regrets] of Object.entries(peers.regrets)) {
    if (regrets[name]?.length > 0) show(who, regrets[name]);
  }
}

/**
 * Seconds of suggestions in the middle of an optimisation, up to the one after
 * `size` evaluations. The evaluations before the first of them are random.
 */
function timeSuggestions(f: TestFunction, size: number): number[] {
  const random = createPrng(size);
  let state = initialState(f, 0);
  const seconds: number[] = [];
  const firstTimed = size -
    Math.min(Math.round(TIMED_SHARE * size), MOST_TIMED);
  for (let i = 0; i <= size; i++) {
    const begin = performance.now();
    const suggestions = i >= firstTimed - WARM_UP ? askBayes(state) : null;
    if (i >= firstTimed) seconds.push((performance.now() - begin) / 1000);
    const point = suggestions?.points[0] ?? Object.fromEntries(
      f.bounds.map(([low, high], d) =>
        [`x${d}`, low + random() * (high - low)] as const
      ),
    );
    const value = f.evaluate(coordinatesOf(point));
    state = tellBayes(suggestions?.state ?? state, point, value);
  }
  return seconds;
}

const status = createStatusLine();
const args = parseArgs(Deno.args, {
  string: ["seeds", "functions", "python"],
  default: { seeds: "20", functions: Object.keys(FUNCTIONS).join() },
});
if (args.python !== undefined) {
  const { success } = await new Deno.Command(args.python, {
    args: [RUNNER.pathname, "--timings"],
  }).spawn().status;
  if (!success) throw new Error("Cannot time the peers as run.py failed");
}
const peers: PeerResults = JSON.parse(await Deno.readTextFile(RESULTS));
console.log(
  Object.entries(peers.versions).map((entry) => entry.join(" ")).join(", "),
);
if (Number(args.seeds) > 0) {
  for (const name of args.functions.split(",")) {
    benchmark(name, FUNCTIONS[name], Number(args.seeds), peers);
  }
}
console.log("\nseconds for a suggestion");
for (const { size, on, goal } of TIMED_SIZES) {
  const f = FUNCTIONS[on];
  const seconds = timeSuggestions(f, size);
  const ours = seconds.reduce((sum, s) => sum + s, 0) / seconds.length;
  const key = `${size}x${f.bounds.length}`;
  const others = Object.entries(peers.seconds)
    .filter(([, seconds]) => key in seconds)
    .map(([who, seconds]) =>
      `${who} ${seconds[key].toFixed(3)} (${(seconds[key] / ours).toFixed(0)}×)`
    );
  console.log(
    `  n = ${size}, d = ${f.bounds.length}: mean ${ours.toFixed(3)}, worst ${
      Math.max(...seconds).toFixed(3)
    }, goal ${goal}${others.map((other) => `; ${other}`).join("")}`,
  );
}

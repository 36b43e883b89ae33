/**
 * States of optimisations of random functions, and the largest value of their
 * acquisition functions by brute force.
 */

import { logConstrainedExpectedImprovement } from "../optim/acquisition.ts";
import { askBayes, initBayes, tellBayes } from "../optim/bayes.ts";
import { bestExpected, fitModel } from "../optim/bayes_model.ts";
import type { BayesState } from "../optim/bayes_state.ts";
import { minimizeLbfgs, type SmoothFunction } from "../optim/math/lbfgs.ts";
import { drawNormal } from "../optim/math/normal.ts";
import { createPrng, type Prng } from "../optim/math/random.ts";
import {
  continuousCoordinates,
  countShares,
  createSpace,
  decode,
  encode,
  neighbours,
  type ParameterSet,
  type Point,
  pointAt,
  pointKey,
  type Space,
} from "../optim/space.ts";

/** Evaluations after which a state is looked at. */
export const SIZES: readonly number[] = [12, 20, 35, 60];

/** Points of the sweep that are polished. */
const POLISHED = 40;

const FLOAT = { kind: "float", low: 0, high: 1 } as const;
const category = (count: number) => ({
  kind: "categorical" as const,
  values: Array.from({ length: count }, (_, i) => `v${i}`),
});
const integer = (high: number) => ({ kind: "integer" as const, low: 0, high });

/** The spaces that are searched, by name. */
export const SPACES: Readonly<Record<string, ParameterSet>> = {
  "2 floats": { a: FLOAT, b: FLOAT },
  "5 floats": { a: FLOAT, b: FLOAT, c: FLOAT, d: FLOAT, e: FLOAT },
  "2 floats, 4 categories": { a: FLOAT, b: FLOAT, k: category(4) },
  "3 floats, integer to 20, 3 categories": {
    a: FLOAT,
    b: FLOAT,
    c: FLOAT,
    n: integer(20),
    k: category(3),
  },
  "2 floats, integer to 7, 5 × 3 categories": {
    a: FLOAT,
    b: FLOAT,
    n: integer(7),
    k: category(5),
    l: category(3),
  },
  "float, integer to 1000, 6 categories": {
    a: FLOAT,
    n: integer(1000),
    k: category(6),
  },
  "integers to 30 and 5, 6 × 6 categories": {
    n: integer(30),
    m: integer(5),
    k: category(6),
    l: category(6),
  },
  "2 floats, 4 × 4 × 4 categories": {
    a: FLOAT,
    b: FLOAT,
    k: category(4),
    l: category(4),
    m: category(4),
  },
};

/** Optimisations by what may go wrong in them. */
const KINDS = ["plain", "constrained", "failing"] as const;

/**
 * A smooth random function of a point: waves whose phases and directions differ
 * from category to category by a random share, and a shallow bowl.
 */
function randomFunction(space: Space, random: Prng): (point: Point) => number {
  const waves = Array.from({ length: 6 }, () => ({
    direction: Float64Array.from(
      { length: space.dimensions },
      () => 4 * drawNormal(random),
    ),
    phase: 2 * Math.PI * random(),
    size: drawNormal(random),
  }));
  const center = Float64Array.from({ length: space.dimensions }, random);
  // Phases by category, so that the best place differs from one to the next.
  const turns = new Map<string, number>();
  const turn = (key: string): number => {
    if (!turns.has(key)) turns.set(key, 0.8 * drawNormal(random));
    return turns.get(key)!;
  };
  for (const { name, parameter } of space.axes) {
    if (parameter.kind !== "categorical") continue;
    for (const value of parameter.values) {
      waves.forEach((_, w) => turn(`${name} ${value} ${w}`));
    }
  }
  return (point) => {
    const x = encode(space, point);
    const bowl = x.reduce((sum, v, i) => sum + (v - center[i]) ** 2, 0);
    return waves.reduce((sum, { direction, phase, size }, w) => {
      const angle = direction.reduce((s, slope, i) => s + slope * x[i], phase) +
        space.axes.reduce(
          (s, { name, parameter }) =>
            parameter.kind === "categorical"
              ? s + turn(`${name} ${point[name]} ${w}`)
              : s,
          0,
        );
      return sum + size * Math.sin(angle);
    }, bowl);
  };
}

/** The states of one optimisation. */
export function* statesOf(
  index: number,
): Generator<{ space: string; state: BayesState }> {
  const name = Object.keys(SPACES)[index % Object.keys(SPACES).length];
  const kind =
    KINDS[Math.floor(index / Object.keys(SPACES).length) % KINDS.length];
  const parameters = SPACES[name];
  const space = createSpace(parameters);
  const random = createPrng(77, index);
  const f = randomFunction(space, random);
  const limit = randomFunction(space, random);
  let state = initBayes({
    parameters,
    goal: "minimise",
    constraints: kind === "constrained" ? ["limit"] : [],
    seed: index,
  });
  for (let i = 0; i < SIZES.at(-1)!; i++) {
    const { state: asked, points: [point] } = askBayes(state);
    const value = kind === "failing" && limit(point) > 1 ? NaN : f(point);
    const constraints = { limit: limit(point) };
    state = tellBayes(
      asked,
      point,
      kind === "constrained" ? { value, constraints } : value,
    );
    const isKnown = state.evaluations.some(({ value }) => value !== null);
    if (isKnown && SIZES.includes(state.evaluations.length)) {
      yield { space: name, state };
    }
  }
}

/** The acquisition function of a state, −∞ at points that were proposed. */
function acquisitionOf(state: BayesState) {
  const model = fitModel(state);
  const best = bestExpected(model);
  const acquisition = logConstrainedExpectedImprovement(
    model.objective,
    best?.value ?? null,
    model.constraints,
  );
  return { space: model.space, acquisition };
}

/** The largest value that a sweep with polishing finds. */
export function bruteForce(state: BayesState, count: number): number {
  const { space, acquisition } = acquisitionOf(state);
  const taken = new Set(
    state.evaluations.map(({ point }) => pointKey(space, point)),
  );
  const random = createPrng(78, state.seed, state.asked);
  const value = (x: Float64Array): number =>
    taken.has(pointKey(space, decode(space, x)))
      ? -Infinity
      : acquisition(x, null);
  let top: { x: Float64Array; value: number }[] = [];
  let least = -Infinity;
  const shares = new Float64Array(countShares(space));
  for (let i = 0; i < count; i++) {
    const point = i % 2 === 0
      ? pointAt(space, shares.map(random))
      : nearby(space, state, random);
    const x = encode(space, point);
    const v = value(x);
    if (v <= least) continue;
    top.push({ x, value: v });
    if (top.length > 4 * POLISHED) {
      top = top.sort((a, b) => b.value - a.value).slice(0, 2 * POLISHED);
      least = top.at(-1)!.value;
    }
  }
  // The best of all, and the best of each choice of categories.
  top.sort((a, b) => b.value - a.value);
  let best = -Infinity;
  for (const { x } of top.slice(0, POLISHED)) {
    best = Math.max(best, polish(space, acquisition, x, value));
  }
  return best;
}

/** An evaluated point, moved: numbers by any distance, half of the rest at random. */
function nearby(space: Space, state: BayesState, random: Prng): Point {
  const { evaluations } = state;
  const { point } = evaluations[Math.floor(random() * evaluations.length)];
  const distance = 10 ** (-4 * random());
  const x = encode(space, point).map((v) =>
    Math.min(Math.max(v + distance * drawNormal(random), 0), 1)
  );
  const moved = decode(space, x);
  const other = pointAt(
    space,
    Float64Array.from({ length: countShares(space) }, random),
  );
  return Object.fromEntries(
    space.axes.map(({ name, parameter }) => [
      name,
      parameter.kind === "categorical"
        ? (random() < 0.5 ? point[name] : other[name])
        : moved[name],
    ]),
  );
}

/** The value after L-BFGS in the floats and the best moves of the rest. */
function polish(
  space: Space,
  acquisition: SmoothFunction,
  start: Float64Array,
  value: (x: Float64Array) => number,
): number {
  const isContinuous = continuousCoordinates(space);
  const climb = (from: Float64Array): Float64Array => {
    if (!isContinuous.some(Boolean)) return from;
    return minimizeLbfgs(
      (x, gradient) => {
        const v = acquisition(x, gradient);
        gradient?.forEach((slope, i) => gradient[i] = -slope);
        return -v;
      },
      from,
      {
        lower: from.map((v, i) => isContinuous[i] ? 0 : v),
        upper: from.map((v, i) => isContinuous[i] ? 1 : v),
      },
    ).x;
  };
  let x = climb(start);
  let best = value(x);
  for (let move = 0; move < 50; move++) {
    const next = neighbours(space, decode(space, x))
      .map((point) => encode(space, point))
      .map((y) => ({ y, v: value(y) }))
      .reduce((a, b) => b.v > a.v ? b : a, { y: x, v: best });
    if (next.y === x) break;
    x = climb(next.y);
    best = Math.max(value(x), next.v);
  }
  return best;
}

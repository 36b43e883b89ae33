/**
 * Finds the point of a space where an acquisition function is largest, among all
 * points that were not proposed before.
 *
 * The best place for the numbers differs from one choice of categories to the
 * next. So choices are compared only after L-BFGS has climbed in each: comparing
 * them at the same numbers would miss a choice whose maximum lies elsewhere.
 */

// This module is browser compatible.

import { power } from "./math/elementary.ts";
import type { SmoothFunction } from "./math/lbfgs.ts";
import type { Prng } from "./math/random.ts";
import { createSobol } from "./math/sobol.ts";
import {
  ascend,
  chooseStarts,
  type Maximum,
  rank,
  sortMaxima,
} from "./maximize_acquisition.ts";
import {
  countShares,
  decode,
  encode,
  neighbours,
  nthPoint,
  type Point,
  pointAt,
  pointKey,
  type Space,
} from "./space.ts";

/** A point and its acquisition value. */
export interface Candidate {
  /** The point. */
  readonly point: Point;
  /** Its coordinates in the unit cube, length d. */
  readonly x: Float64Array;
  /** Value of the acquisition function; −∞ where the point was proposed before. */
  readonly value: number;
}

/** Further inputs of `propose()`. */
export interface ProposeOptions {
  /** Coordinates of good points, the best first, around which more is tried. */
  readonly around: readonly Float64Array[];
  /** `pointKey()` of every point that was proposed before. */
  readonly taken: ReadonlySet<string>;
  /** Observations of the model: a value of the acquisition costs their square. */
  readonly observations: number;
  /** Makes the points to try. */
  readonly random: Prng;
}

/**
 * A finite space is searched exhaustively up to so many points times observations,
 * which takes some 20 ms, and in any case up to so many points.
 */
const EXHAUSTIVE = 5e5;
const LEAST_EXHAUSTIVE = 1000;

/** Points all over the space that are tried first; more where not all are floats. */
const SPREAD = 1024;
const MIXED_SPREAD = 2048;

/** With more observations there are fewer of them, down to this share. */
const FULL_EFFORT = 128;
const LEAST_EFFORT = 0.25;

/**
 * Coordinates of theirs that are this near to a bound are moved to it, in turn
 * from point to point; the last ones end in corners.
 */
const EDGES = [0, 0, 0, 0.15, 0, 0, 0.15, 0.5];

/** Climbs from the best of them. */
const SPREAD_STARTS = 16;

/** How far from a good point more is tried, in the unit cube. */
const DISTANCES = [0.3, 0.1, 0.01, 0.001, 0.0001];

/** Points tried at each distance, and climbs from the best of them. */
const AROUND = 16;
const MIXED_AROUND = 32;
const NEAR_STARTS = 2;

/** Climbs from neighbours of the best point: another integer or category. */
const NEIGHBOUR_STARTS = 8;

/** As much around good points that are not the best. */
const AROUND_OTHERS = 8;
const NEAR_STARTS_OTHERS = 1;

/**
 * Climbs that are shared by the choices of categories: several for each of a few
 * choices, one each for the best of many.
 */
const CHOICE_STARTS = 32;

/** Good points that are tried with other choices of categories. */
const TRANSFERS = 128;

/** Iterations of L-BFGS that show which of the starts are worth more. */
const SCREENING = 10;

/**
 * How many of those all over the space, and of those near good points, are climbed
 * to the end (more without floats, where climbs are short), and how far apart
 * these are.
 */
const FINALISTS = 3;
const DISCRETE_FINALISTS = 12;
const FINALISTS_APART = 1e-3;

/** Most moves from neighbour to neighbour: integers start near their maximum. */
const MAX_MOVES = 20;

/** The best neighbours of a point, whose numbers are polished. */
const MAX_NEIGHBOURS = 4;

/** Random points tried to find one of infinitely many that is not taken. */
const MAX_DRAWS = 100;

/** The kind of parameter that a coordinate belongs to. */
type CoordinateKind = "float" | "integer" | "category";

/**
 * The best point that was not proposed before.
 *
 * 1. A quasi-random sweep, denser around good points.
 * 2. A few iterations of L-BFGS from the best points, those of each choice of
 *    categories among them. Categories stay; integers move as if they were
 *    floats.
 * 3. From the best of these: integers are rounded, L-BFGS climbs to the end in
 *    the floats, and from there over neighbours (an integer one step up or down,
 *    another category), each polished in its floats.
 *
 * A small finite space is searched exhaustively.
 *
 * @param space The space.
 * @param acquisition What to maximise, over the unit cube.
 * @param options What else the proposal depends on.
 * @returns The point, or null if all points of the space are taken.
 */
export function propose(
  space: Space,
  acquisition: SmoothFunction,
  options: ProposeOptions,
): Candidate | null {
  const { taken, observations, random } = options;
  const evaluate = (point: Point): Candidate => {
    const x = encode(space, point);
    const isTaken = taken.has(pointKey(space, point));
    return { point, x, value: isTaken ? -Infinity : acquisition(x, null) };
  };
  const anyUntaken = (): Candidate | null => {
    const point = untakenPoint(space, taken, random);
    return point === null ? null : evaluate(point);
  };
  if (space.size <= Math.max(EXHAUSTIVE / observations, LEAST_EXHAUSTIVE)) {
    const all = Array.from(
      { length: space.size },
      (_, i) => nthPoint(space, i),
    );
    const free = all.filter((point) => !taken.has(pointKey(space, point)));
    return best(free.map(evaluate));
  }
  const kinds = coordinateKinds(space);
  const spread = spreadStarts(space, kinds, acquisition, options);
  const near = nearStarts(space, kinds, acquisition, options);
  const starts = sortMaxima([...spread, ...near]);
  if (starts.length === 0) return anyUntaken();
  const unit = starts[0].value - starts[starts.length - 1].value || 1;
  const climb = (
    start: Maximum,
    moves: (kind: CoordinateKind) => boolean,
    maxIterations?: number,
  ): Maximum => {
    if (!kinds.some(moves) || start.value === -Infinity) return start;
    const bound = (end: number) =>
      start.x.map((value, i) => moves(kinds[i]) ? end : value);
    const box = { lower: bound(0), upper: bound(1) };
    return ascend(acquisition, start, {
      ...box,
      unit,
      ...(maxIterations !== undefined && { maxIterations }),
    });
  };
  // Near a good point the integers are good already.
  const screened = [
    spread.map((start) =>
      climb(start, (kind) => kind !== "category", SCREENING)
    ),
    near.map((start) => climb(start, (kind) => kind === "float", SCREENING)),
    // But maybe they are not.
    kinds.includes("integer")
      ? near.map((start) =>
        climb(start, (kind) => kind !== "category", SCREENING)
      )
      : [],
  ];
  /** L-BFGS in the floats. */
  const polish = (start: Candidate): Candidate => {
    if (!kinds.includes("float")) return start;
    const value = acquisition(start.x, null);
    const { x } = climb({ x: start.x, value }, (kind) => kind === "float");
    return best([start, evaluate(decode(space, x))])!;
  };
  const finalists = screened.flatMap((maxima) =>
    chooseStarts(
      sortMaxima(maxima),
      FINALISTS_APART,
      kinds.includes("float") ? FINALISTS : DISCRETE_FINALISTS,
    )
      .map(({ x }) => polish(evaluate(decode(space, x))))
  );
  const winner = best(
    kinds.every((kind) => kind === "float")
      ? finalists
      : finalists.map((start) =>
        climbNeighbours(space, start, evaluate, polish)
      ),
  );
  return winner !== null && winner.value > -Infinity ? winner : anyUntaken();
}

/**
 * A random point that is not taken.
 *
 * @param space The space.
 * @param taken `pointKey()` of every point that is.
 * @param random Chooses.
 * @returns The point, or null if there is none (or, with floats, none was found
 * in 100 draws).
 */
export function untakenPoint(
  space: Space,
  taken: ReadonlySet<string>,
  random: Prng,
): Point | null {
  const first = Math.floor(random() * space.size);
  for (let i = 0; i < Math.min(space.size, taken.size + MAX_DRAWS); i++) {
    const point = space.size < Infinity
      ? nthPoint(space, (first + i) % space.size)
      : pointAt(
        space,
        Float64Array.from({ length: countShares(space) }, random),
      );
    if (!taken.has(pointKey(space, point))) return point;
  }
  return null;
}

/** The kind of each coordinate, length d. */
function coordinateKinds(space: Space): CoordinateKind[] {
  return space.axes.flatMap(({ parameter: { kind }, width }) =>
    Array<CoordinateKind>(width).fill(
      kind === "categorical"
        ? "category"
        : kind === "integer"
        ? "integer"
        : "float",
    )
  );
}

/** The best of points all over the space, and of each choice of categories. */
function spreadStarts(
  space: Space,
  kinds: readonly CoordinateKind[],
  acquisition: SmoothFunction,
  { around, observations, random }: ProposeOptions,
): Maximum[] {
  const effort = Math.max(
    Math.min(FULL_EFFORT / observations, 1),
    LEAST_EFFORT,
  );
  const isContinuous = kinds.every((kind) => kind === "float");
  const count = Math.round(effort * (isContinuous ? SPREAD : MIXED_SPREAD));
  const sobol = createSobol(countShares(space), random);
  const points = Array.from({ length: count }, (_, i) => {
    const x = encode(space, pointAt(space, sobol.point(i)));
    const edge = EDGES[i % EDGES.length];
    return edge === 0 ? x : settle(space, kinds, toEdges(x, edge));
  });
  // Good points with other categories.
  const choices = [...groupByChoice(kinds, points.map((x) => ({ x })))];
  const centers = kinds.includes("category")
    ? around.slice(0, Math.ceil(TRANSFERS / choices.length))
    : [];
  for (const center of centers) {
    for (const [{ x }] of choices) {
      points.push(center.map((v, k) => kinds[k] === "category" ? x[k] : v));
    }
  }
  const ranked = rank(acquisition, points);
  // Points that share the cube of d numbers evenly are this far apart.
  const d = kinds.filter((kind) => kind !== "category").length;
  const apart = (count: number) => d === 0 ? 0 : power(count, -1 / d);
  const starts = chooseStarts(
    ranked,
    apart(count),
    Math.round(effort * SPREAD_STARTS),
  );
  if (!kinds.includes("category")) return starts;
  const ofChoices = groupByChoice(kinds, ranked);
  const climbs = Math.round(effort * CHOICE_STARTS);
  for (const choice of ofChoices.slice(0, climbs)) {
    starts.push(
      ...chooseStarts(
        choice,
        apart(choice.length),
        Math.ceil(climbs / ofChoices.length),
      ),
    );
  }
  return [...new Set(starts)];
}

/** The best of points around each good point, and neighbours of the best one. */
function nearStarts(
  space: Space,
  kinds: readonly CoordinateKind[],
  acquisition: SmoothFunction,
  { around, random }: ProposeOptions,
): Maximum[] {
  const isContinuous = kinds.every((kind) => kind === "float");
  const others = around.slice(0, 1).flatMap((center) =>
    neighbours(space, decode(space, center)).map((point) =>
      encode(space, point)
    )
  );
  const starts = around.flatMap((center, c) =>
    DISTANCES.flatMap((distance) => {
      const points = Array.from(
        {
          length: c > 0 ? AROUND_OTHERS : isContinuous ? AROUND : MIXED_AROUND,
        },
        () => move(space, kinds, center, distance, random),
      );
      const ranked = rank(acquisition, points);
      return chooseStarts(
        ranked,
        distance / 2,
        c === 0 ? NEAR_STARTS : NEAR_STARTS_OTHERS,
      );
    })
  );
  return [...starts, ...rank(acquisition, others).slice(0, NEIGHBOUR_STARTS)];
}

/** A random point near another one, of the same categories. */
function move(
  space: Space,
  kinds: readonly CoordinateKind[],
  center: Float64Array,
  distance: number,
  random: Prng,
): Float64Array {
  const moved = center.map((coordinate, k) => {
    if (kinds[k] === "category") return coordinate;
    const offset = distance * (2 * random() - 1);
    return Math.min(Math.max(coordinate + offset, 0), 1);
  });
  return settle(space, kinds, moved);
}

/** The coordinates of the point that stands for them. */
function settle(
  space: Space,
  kinds: readonly CoordinateKind[],
  x: Float64Array,
): Float64Array {
  // Without integers and categories any coordinates are those of a point.
  const isContinuous = kinds.every((kind) => kind === "float");
  return isContinuous ? x : encode(space, decode(space, x));
}

/** Moves coordinates near a bound to it: that is where least is known. */
function toEdges(x: Float64Array, within: number): Float64Array {
  return x.map((v) => v < within ? 0 : v > 1 - within ? 1 : v);
}

/** The points of each choice of categories, in their order. */
function groupByChoice<T extends { readonly x: Float64Array }>(
  kinds: readonly CoordinateKind[],
  points: readonly T[],
): T[][] {
  const groups = new Map<string, T[]>();
  for (const point of points) {
    const key = point.x.filter((_, k) => kinds[k] === "category").join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return [...groups.values()];
}

/**
 * Goes to the best neighbour for as long as that is better. The few best are
 * polished before they are compared.
 */
function climbNeighbours(
  space: Space,
  start: Candidate,
  evaluate: (point: Point) => Candidate,
  polish: (start: Candidate) => Candidate,
): Candidate {
  let reached = start;
  for (let move = 0; move < MAX_MOVES; move++) {
    const near = neighbours(space, reached.point).map(evaluate)
      .sort((a, b) => b.value - a.value)
      .slice(0, MAX_NEIGHBOURS);
    const next = best(near.map(polish));
    if (next === null || next.value <= reached.value) break;
    reached = next;
  }
  return reached;
}

/** The candidate of largest value, the first among equals; null if none. */
function best(candidates: readonly Candidate[]): Candidate | null {
  return candidates.reduce<Candidate | null>(
    (winner, candidate) =>
      winner === null || candidate.value > winner.value ? candidate : winner,
    null,
  );
}

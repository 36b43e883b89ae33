/**
 * Finds the point of a space where an acquisition function is largest, among all
 * points that were not proposed before.
 */

// This module is browser compatible.

import { minimizeLbfgs, type SmoothFunction } from "./math/lbfgs.ts";
import { maximizeAcquisition } from "./maximize_acquisition.ts";
import type { Prng } from "./math/random.ts";
import { createSobol } from "./math/sobol.ts";
import {
  continuousCoordinates,
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
  /** Coordinates of good points, around which more is tried. */
  readonly around: readonly Float64Array[];
  /** `pointKey()` of every point that was proposed before. */
  readonly taken: ReadonlySet<string>;
  /** Makes the points to try. */
  readonly random: Prng;
}

/** Points spread over the space that are tried first. */
const SPREAD = 512;

/** Points tried around each good point, for each of the `DISTANCES`. */
const AROUND = 16;

/** How far around a good point, in the unit cube. */
const DISTANCES = [0.1, 0.01, 0.001];

/** Most moves from neighbour to neighbour: integers start near their maximum. */
const MAX_MOVES = 20;

/** Random points tried to find one of infinitely many that is not taken. */
const MAX_DRAWS = 100;

/**
 * The best point that was not proposed before: a quasi-random sweep, L-BFGS
 * from its best points as if all coordinates were continuous, then, where there
 * are integers or categories, from each rounded point a climb over neighbours
 * and L-BFGS in the continuous coordinates only. A finite space of no more
 * points than the sweep has is searched exhaustively.
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
  const { taken, random } = options;
  const evaluate = (point: Point): Candidate => {
    const x = encode(space, point);
    const isTaken = taken.has(pointKey(space, point));
    return { point, x, value: isTaken ? -Infinity : acquisition(x, null) };
  };
  if (space.size <= SPREAD) {
    const all = Array.from(
      { length: space.size },
      (_, i) => nthPoint(space, i),
    );
    const free = all.filter((point) => !taken.has(pointKey(space, point)));
    return best(free.map(evaluate));
  }
  const candidates = sweep(space, options);
  const maxima = maximizeAcquisition(acquisition, space.dimensions, {
    candidates,
  });
  const reached = maxima.map(({ x }) => {
    const start = evaluate(decode(space, x));
    return continuousCoordinates(space).every(Boolean)
      ? start
      : climb(space, acquisition, start, evaluate);
  });
  const winner = best(reached);
  if (winner !== null && winner.value > -Infinity) return winner;
  const point = untakenPoint(space, taken, random);
  return point === null ? null : evaluate(point);
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

/** Coordinates of points of the space, all over it and around good points. */
function sweep(
  space: Space,
  { around, random }: ProposeOptions,
): Float64Array {
  // Without integers and categories any coordinates are those of a point.
  const isContinuous = continuousCoordinates(space).every(Boolean);
  const sobol = createSobol(countShares(space), random);
  const points = Array.from({ length: SPREAD }, (_, i) => {
    const shares = sobol.point(i);
    return isContinuous ? shares : encode(space, pointAt(space, shares));
  });
  for (const center of around) {
    for (const distance of DISTANCES) {
      for (let i = 0; i < AROUND; i++) {
        const moved = center.map((coordinate) => {
          const offset = distance * (2 * random() - 1);
          return Math.min(Math.max(coordinate + offset, 0), 1);
        });
        points.push(isContinuous ? moved : encode(space, decode(space, moved)));
      }
    }
  }
  const flat = new Float64Array(points.length * space.dimensions);
  points.forEach((x, i) => flat.set(x, i * space.dimensions));
  return flat;
}

/**
 * Goes to the best neighbour for as long as that is better, and each time to
 * the best place near it with its integers and categories held fixed.
 */
function climb(
  space: Space,
  acquisition: SmoothFunction,
  start: Candidate,
  evaluate: (point: Point) => Candidate,
): Candidate {
  let reached = polish(space, acquisition, start, evaluate);
  for (let move = 0; move < MAX_MOVES; move++) {
    const next = best(neighbours(space, reached.point).map(evaluate));
    if (next === null || next.value <= reached.value) break;
    reached = polish(space, acquisition, next, evaluate);
  }
  return reached;
}

/** L-BFGS in the continuous coordinates. */
function polish(
  space: Space,
  acquisition: SmoothFunction,
  start: Candidate,
  evaluate: (point: Point) => Candidate,
): Candidate {
  const isContinuous = continuousCoordinates(space);
  if (!isContinuous.some(Boolean)) return start;
  const loss: SmoothFunction = (x, gradient) => {
    const value = acquisition(x, gradient);
    gradient?.forEach((slope, i) => gradient[i] = -slope);
    return -value;
  };
  const { x } = minimizeLbfgs(loss, start.x, {
    lower: start.x.map((coordinate, i) => isContinuous[i] ? 0 : coordinate),
    upper: start.x.map((coordinate, i) => isContinuous[i] ? 1 : coordinate),
    maxIterations: 50,
  });
  return best([start, evaluate(decode(space, x))])!;
}

/** The candidate of largest value, the first among equals; null if none. */
function best(candidates: readonly Candidate[]): Candidate | null {
  return candidates.reduce<Candidate | null>(
    (winner, candidate) =>
      winner === null || candidate.value > winner.value ? candidate : winner,
    null,
  );
}

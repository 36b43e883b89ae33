/**
 * Search spaces: named parameters, and their coordinates in the unit cube, which
 * are the inputs of the Gaussian process.
 *
 * A float has one coordinate. An integer has one that is cut into cells of equal
 * width. A category has one coordinate for each of its values: 1 for the value, 0
 * for the others, so that all are equally far apart. A parameter with a single
 * value has none. The process only sees points that can be evaluated, never what
 * lies between two integers
 * (Garrido-Merchán and Hernández-Lobato, "Dealing with categorical and
 * integer-valued variables in Bayesian optimization", Neurocomputing 380, 2020).
 */

// This module is browser compatible.

import { log, power } from "./math/elementary.ts";
import { checkKeys } from "./keys.ts";
import { MAX_SOBOL_DIMENSIONS } from "./math/sobol.ts";

/**
 * A float may lie outside its bounds by this share of the larger bound: the error
 * that arithmetic in another program, or a decimal text, adds to the bound.
 */
const BOUND_TOLERANCE = 8 * Number.EPSILON;

/** A real number between two bounds, both included. */
export interface FloatParameter {
  /** "logFloat": equal ratios are equally far apart. */
  readonly kind: "float" | "logFloat";
  /** Least value; positive for "logFloat". */
  readonly low: number;
  /** Largest value. */
  readonly high: number;
}

/** An integer between two bounds, both included. */
export interface IntegerParameter {
  /** Tells it from the other kinds. */
  readonly kind: "integer";
  /** Least value. */
  readonly low: number;
  /** Largest value. */
  readonly high: number;
}

/** One of several values without an order. */
export interface CategoricalParameter {
  /** Tells it from the other kinds. */
  readonly kind: "categorical";
  /** The values, each different. */
  readonly values: readonly Value[];
}

/** A parameter. */
export type Parameter =
  | FloatParameter
  | IntegerParameter
  | CategoricalParameter;

/** The value of a parameter. */
export type Value = number | string | boolean;

/** Parameters by name. */
export type ParameterSet = Readonly<Record<string, Parameter>>;

/** The values of a parameter: one of its choices if it is categorical. */
export type ValueOf<P extends Parameter> = P extends CategoricalParameter
  ? P["values"][number]
  : number;

/**
 * A value for each parameter, by its name.
 *
 * @example Types that follow from the parameters
 * ```ts
 * import type { PointOf } from "@tokensieve/tokensieve/optim";
 *
 * const parameters = {
 *   rate: { kind: "logFloat", low: 1e-4, high: 1 },
 *   norm: { kind: "categorical", values: ["layer", "rms"] },
 * } as const;
 * const point: PointOf<typeof parameters> = { rate: 0.1, norm: "rms" };
 * const { rate, norm }: { rate: number; norm: "layer" | "rms" } = point;
 * ```
 */
export type PointOf<P extends ParameterSet> = {
  readonly [Name in keyof P]: ValueOf<P[Name]>;
};

/** A value for each parameter of a space whose parameters are not known. */
export type Point = PointOf<ParameterSet>;

/** Parameters, and where each has its coordinates. */
export interface Space {
  /** The parameters by name. */
  readonly parameters: ParameterSet;
  /** Where their coordinates are, in the order of `parameters`. */
  readonly axes: readonly Axis[];
  /** d, coordinates of a point. */
  readonly dimensions: number;
  /** How many different points there are; Infinity with floats. */
  readonly size: number;
}

/** A parameter and its coordinates. */
export interface Axis {
  /** Name of the parameter. */
  readonly name: string;
  /** The parameter. */
  readonly parameter: Parameter;
  /** Index of its first coordinate. */
  readonly first: number;
  /** How many coordinates it has: 0, 1 or one for each category. */
  readonly width: number;
  /** How many values it can take; Infinity for floats with different bounds. */
  readonly levels: number;
}

/**
 * Makes a space.
 *
 * @param parameters The parameters by name, at least one of which can take
 * more than one value, and no more than 64 of which can.
 * @returns The space.
 * @throws {RangeError} If a bound is not a finite number, bounds are in the
 * wrong order or not integers where they must be, values are repeated, or
 * nothing or too much is left to choose.
 */
export function createSpace(parameters: ParameterSet): Space {
  const axes: Axis[] = [];
  let dimensions = 0;
  for (const [name, parameter] of Object.entries(parameters)) {
    checkParameter(name, parameter);
    const levels = countLevels(parameter);
    const width = levels === 1
      ? 0
      : parameter.kind === "categorical"
      ? levels
      : 1;
    axes.push({ name, parameter, first: dimensions, width, levels });
    dimensions += width;
  }
  const free = axes.filter(({ levels }) => levels > 1).length;
  if (free < 1 || free > MAX_SOBOL_DIMENSIONS) {
    throw new RangeError(
      `Cannot search as the number of parameters with more than one value must be in [1, ${MAX_SOBOL_DIMENSIONS}]: current value is ${free}`,
    );
  }
  const size = axes.reduce((product, { levels }) => product * levels, 1);
  return { parameters, axes, dimensions, size };
}

/**
 * Checks a point that comes from outside.
 *
 * @param space The space.
 * @param point A value for each parameter. A float may lie outside its bounds by
 * a rounding error.
 * @returns The point of the space that is meant.
 * @throws {TypeError} If a name is not that of a parameter.
 * @throws {RangeError} If a parameter has no value or one it cannot take.
 */
export function settlePoint(space: Space, point: Point): Point {
  checkKeys(
    "place a point",
    "parameters",
    point,
    Object.keys(space.parameters),
  );
  const entries = space.axes.map(({ name, parameter }) =>
    [name, settleValue(name, parameter, point[name])] as const
  );
  return Object.fromEntries(entries);
}

/**
 * Where a point is in the unit cube.
 *
 * @param space The space.
 * @param point A point of the space.
 * @returns Its coordinates, length d.
 * @throws {TypeError} If a name is not that of a parameter.
 * @throws {RangeError} If a parameter has no value or one it cannot take.
 */
export function encode(space: Space, point: Point): Float64Array {
  const settled = settlePoint(space, point);
  const coordinates = new Float64Array(space.dimensions);
  for (const { name, parameter, first, width } of space.axes) {
    if (width === 0) continue;
    if (parameter.kind === "categorical") {
      coordinates[first + parameter.values.indexOf(settled[name])] = 1;
    } else coordinates[first] = placeOf(parameter, settled[name] as number);
  }
  return coordinates;
}

/**
 * The point of given coordinates: an integer is the cell that its coordinate lies
 * in, a category the value with the largest coordinate.
 *
 * @param space The space.
 * @param coordinates Length d, in [0, 1].
 * @returns The point.
 */
export function decode(space: Space, coordinates: Float64Array): Point {
  const entries = space.axes.map(({ name, parameter, first, width }) => {
    const ofAxis = coordinates.subarray(first, first + width);
    const share = width <= 1 ? ofAxis[0] ?? 0 : (argmax(ofAxis) + 0.5) / width;
    return [name, valueAt(parameter, share)];
  });
  return Object.fromEntries(entries);
}

/**
 * The point at given shares of the ranges of all parameters. Uniform shares give
 * a uniform point.
 *
 * @param space The space.
 * @param shares One number in [0, 1] for each parameter that has more than one
 * value, in order.
 * @returns The point.
 */
export function pointAt(space: Space, shares: Float64Array): Point {
  let next = 0;
  const entries = space.axes.map(({ name, parameter, levels }) => {
    const share = levels === 1 ? 0 : shares[next++];
    return [name, valueAt(parameter, share)];
  });
  return Object.fromEntries(entries);
}

/** How many numbers `pointAt()` takes. */
export function countShares(space: Space): number {
  return space.axes.filter(({ levels }) => levels > 1).length;
}

/**
 * The point with a given number.
 *
 * @param space A space of finite size.
 * @param index An integer in [0, size).
 * @returns The point; another one for every index.
 */
export function nthPoint(space: Space, index: number): Point {
  const free = space.axes.filter(({ levels }) => levels > 1);
  const shares = free.map(({ levels }) => {
    const level = index % levels;
    index = (index - level) / levels;
    return (level + 0.5) / levels;
  });
  return pointAt(space, Float64Array.from(shares));
}

/** A text that is equal for equal points only. */
export function pointKey(space: Space, point: Point): string {
  return JSON.stringify(space.axes.map(({ name }) => point[name]));
}

/**
 * The points that differ in one integer, by 1, 2, 4, …, or in one category.
 *
 * @param space The space.
 * @param point A point of the space.
 * @returns Points; none when all parameters are floats.
 */
export function neighbours(space: Space, point: Point): Point[] {
  return space.axes.flatMap(({ name, parameter }) => {
    const value = point[name];
    let others: readonly Value[] = [];
    if (parameter.kind === "categorical") {
      others = parameter.values.filter((other) => other !== value);
    } else if (parameter.kind === "integer") {
      const { low, high } = parameter;
      const steps: number[] = [];
      for (let step = 1; step <= high - low; step *= 2) steps.push(-step, step);
      others = steps.map((step) => value as number + step)
        .filter((other) => other >= low && other <= high);
    }
    return others.map((other) => ({ ...point, [name]: other }));
  });
}

/** Whether a coordinate can take any value in [0, 1], for each coordinate. */
export function continuousCoordinates(space: Space): boolean[] {
  return space.axes.flatMap(({ width, levels }) =>
    Array(width).fill(levels === Infinity)
  );
}

/** The coordinate of a number, in [0, 1]. Its bounds differ. */
function placeOf(
  { kind, low, high }: FloatParameter | IntegerParameter,
  value: number,
): number {
  if (kind === "integer") return (value - low + 0.5) / (high - low + 1);
  if (kind === "float") return (value - low) / (high - low);
  return log(value / low) / log(high / low);
}

/** The value at a share of the range, in [0, 1]. */
export function valueAt(parameter: Parameter, share: number): Value {
  if (parameter.kind === "categorical") {
    const { values } = parameter;
    return values[
      Math.min(Math.floor(share * values.length), values.length - 1)
    ];
  }
  const { kind, low, high } = parameter;
  if (low === high) return low;
  if (share >= 1) return high;
  if (kind === "integer") {
    return Math.min(low + Math.floor(share * (high - low + 1)), high);
  }
  const value = kind === "float"
    ? low + share * (high - low)
    : low * power(high / low, share);
  return Math.min(Math.max(value, low), high);
}

function argmax(values: Float64Array): number {
  return values.indexOf(Math.max(...values));
}

function countLevels(parameter: Parameter): number {
  if (parameter.kind === "categorical") return parameter.values.length;
  const { kind, low, high } = parameter;
  return low === high ? 1 : kind === "integer" ? high - low + 1 : Infinity;
}

function checkParameter(name: string, parameter: Parameter): void {
  const refuse = (requirement: string): never => {
    throw new RangeError(
      `Cannot search over parameter "${name}" as ${requirement}: current value is ${
        JSON.stringify(parameter)
      }`,
    );
  };
  const { kind } = parameter;
  if (!["float", "logFloat", "integer", "categorical"].includes(kind)) {
    refuse("its kind must be float, logFloat, integer or categorical");
  }
  checkKeys(
    `search over parameter "${name}"`,
    "keys",
    parameter,
    kind === "categorical" ? ["kind", "values"] : ["kind", "low", "high"],
  );
  if (parameter.kind === "categorical") {
    const { values } = parameter;
    if (!Array.isArray(values) || values.length === 0) {
      refuse("it must have a value");
    }
    if (new Set(values).size < values.length) refuse("its values must differ");
    if (!values.every(isValue)) {
      refuse("its values must be texts, booleans or finite numbers");
    }
    return;
  }
  const { low, high } = parameter;
  const allowed = kind === "integer" ? Number.isSafeInteger : Number.isFinite;
  if (!allowed(low) || !allowed(high) || !allowed(high - low)) {
    refuse(`its bounds must be finite ${kind}s`);
  }
  if (low > high) refuse("its least value must not exceed its largest");
  if (kind === "logFloat" && (low <= 0 || high / low === Infinity)) {
    refuse("its bounds must be positive and their ratio finite");
  }
}

/** Whether a category goes through JSON as itself. */
function isValue(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" ||
    Number.isFinite(value);
}

/** The value of a parameter that is meant; bounds swallow rounding errors. */
function settleValue(
  name: string,
  parameter: Parameter,
  value: Value | undefined,
): Value {
  if (parameter.kind === "categorical") {
    if (value !== undefined && parameter.values.includes(value)) return value;
  } else if (typeof value === "number") {
    const { kind, low, high } = parameter;
    const slack = kind === "integer"
      ? 0
      : BOUND_TOLERANCE * Math.max(Math.abs(low), Math.abs(high));
    const isKind = kind !== "integer" || Number.isInteger(value);
    if (isKind && value >= low - slack && value <= high + slack) {
      return Math.min(Math.max(value, low), high);
    }
  }
  throw new RangeError(
    `Cannot place a point as parameter "${name}" must be one of ${
      JSON.stringify(parameter)
    }: current value is ${
      typeof value === "number" ? value : JSON.stringify(value)
    }`,
  );
}

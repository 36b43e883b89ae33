/**
 * Quantised weights of linear layers: the definition of each format. All backends
 * hold the same values, bit for bit, and compute with them in 32 bits.
 *
 * Each row of a weight [O, I] is quantised independently, so that rows can be
 * uploaded in blocks. A float becomes an integer times a scale:
 *
 * - "int8": −127 to 127, one scale for each row;
 * - "int4": −8 to 7, one scale for each group of 64 inputs (the last may have
 *   fewer), which may be negative, so that the −8 serves either side.
 *
 * Scales are 32-bit floats. With 16-bit scales, "int4" would save a sixteenth of
 * its memory, but could not represent the scales of all weights.
 *
 * This module is browser compatible.
 */

import { narrowFloat16, widenFloat16 } from "./half.ts";

/** How the weights of linear layers may be stored. */
export const WEIGHT_TYPES = ["f32", "f16", "int8", "int4"] as const;

/** As floats of 32 or 16 bits, or as integers of 8 or 4 bits with scales. */
export type WeightType = typeof WEIGHT_TYPES[number];

/** The weight type of a backend. */
export interface WeightOptions {
  /**
   * How the weights of linear layers are stored. Products and sums have 32 bits in
   * all cases. Default "f32".
   */
  readonly weightType?: WeightType;
}

/** The formats that have scales. */
export type IntegerType = "int8" | "int4";

/** Bits that a weight takes, without scales. */
export const WEIGHT_BITS: Readonly<Record<WeightType, number>> = {
  f32: 32,
  f16: 16,
  int8: 8,
  int4: 4,
};

/** Inputs that share a scale. */
const GROUP_SIZES: Readonly<Record<IntegerType, number>> = {
  int8: Infinity,
  int4: 64,
};

/** Quantised rows: weight (o, i) is value (o, i) times the scale of its group. */
export interface QuantizedRows {
  /** Shape [O, I]. */
  readonly values: Int8Array;
  /** Shape [O, groups]. */
  readonly scales: Float32Array;
}

/** The format of quantised rows. */
export interface RowFormat {
  /** I, the length of a row. */
  readonly width: number;
  /** Type of the integers. */
  readonly type: IntegerType;
}

/** How many scales a row has, and for how many inputs each. */
export function groupsOf(
  { width, type }: RowFormat,
): { readonly groups: number; readonly size: number } {
  const size = Math.min(GROUP_SIZES[type], Math.max(width, 1));
  return { groups: Math.ceil(width / size), size };
}

/** The suffix of a backend's name for its weight type; empty for "f32". */
export function weightSuffix(type: WeightType): string {
  return type === "f32" ? "" : `, ${type} weights`;
}

/** Bytes that a weight [O, I] takes, scales and all. */
export function weightBytes(
  type: WeightType,
  [O, I]: readonly number[],
): number {
  const values = O * Math.ceil(I * WEIGHT_BITS[type] / 8);
  return type === "int8" || type === "int4"
    ? values + 4 * O * groupsOf({ width: I, type }).groups
    : values;
}

/**
 * The smallest magnitudes that cannot be stored, since stored values must be
 * finite: those that round to infinity in 16 bits, or that may do so when scaled.
 */
const LIMITS: Readonly<Record<Exclude<WeightType, "f32">, number>> = {
  f16: 65520,
  int8: 2 ** 127,
  int4: 2 ** 127,
};

/**
 * Checks that a weight can be stored. "f32" stores every weight.
 *
 * @param data row-major
 * @param width I, the length of a row
 * @param firstRow which row of the weight `data` begins with
 * @throws {RangeError} a value is NaN, infinite, or too large for the type
 */
export function checkWeights(
  type: WeightType,
  data: Float32Array,
  width: number,
  firstRow: number = 0,
): void {
  if (type === "f32") return;
  const limit = LIMITS[type];
  for (let i = 0; i < data.length; i++) {
    if (!(Math.abs(data[i]) < limit)) {
      throw new RangeError(
        `Cannot store weights as ${type} as they must be below ${limit} in magnitude: current value is ${
          data[i]
        } in row ${firstRow + Math.floor(i / width)}, column ${i % width}`,
      );
    }
  }
}

/**
 * The values that are stored for a weight: the definition, in plain loops.
 *
 * @param data row-major
 * @param width I, the length of a row
 * @param firstRow which row of the weight `data` begins with
 * @throws {RangeError} as `checkWeights`
 */
export function storedValues(
  type: WeightType,
  data: Float32Array,
  width: number,
  firstRow: number = 0,
): Float32Array {
  checkWeights(type, data, width, firstRow);
  switch (type) {
    case "f32":
      return data.slice();
    case "f16": {
      const out = new Float32Array(data.length);
      widenFloat16(narrowFloat16(data), out);
      return out;
    }
    default: {
      const format = { width, type };
      return dequantizeRows(quantizeRows(data, format), format);
    }
  }
}

/**
 * Quantises rows that pass `checkWeights`. For each weight w with the scale s of
 * its group, |w − value · s| ≤ |s| / 2 · (1 + 1e-6), where 1e-6 allows for the
 * rounding of s to a float. Let m be the largest magnitude of a row ("int8") or
 * group ("int4"): |s| is m / 127 in "int8" and at most m / 7 in "int4". No |s| is
 * below 2⁻¹²⁶.
 *
 * @param data shape [O, I]
 */
export function quantizeRows(
  data: Float32Array,
  format: RowFormat,
): QuantizedRows {
  const { width } = format;
  const { groups, size } = groupsOf(format);
  const values = new Int8Array(data.length);
  const scales = new Float32Array(groups * data.length / width || 0);
  const quantize = format.type === "int8" ? quantizeInt8 : quantizeInt4;
  let group = 0;
  for (let row = 0; row < data.length; row += width) {
    for (let start = row; start < row + width; start += size) {
      const end = Math.min(start + size, row + width);
      scales[group++] = quantize(
        data.subarray(start, end),
        values.subarray(start, end),
      );
    }
  }
  return { values, scales };
}

/** Integers times scales, rounded to floats. */
export function dequantizeRows(
  { values, scales }: QuantizedRows,
  format: RowFormat,
): Float32Array {
  const { groups, size } = groupsOf(format);
  return Float32Array.from(values, (value, at) => {
    const row = Math.floor(at / format.width);
    const group = Math.floor(at % format.width / size);
    return value * scales[row * groups + group];
  });
}

/** The least scale: a GPU may take smaller floats for zero. */
const LEAST_SCALE = 2 ** -126;

/** Rounds a group to −127 to 127 times the scale that it returns. */
function quantizeInt8(group: Float32Array, values: Int8Array): number {
  let largest = 0;
  for (let i = 0; i < group.length; i++) {
    const magnitude = Math.abs(group[i]);
    if (magnitude > largest) largest = magnitude;
  }
  const scale = Math.fround(Math.max(largest / 127, LEAST_SCALE));
  const inverse = 1 / scale;
  for (let i = 0; i < group.length; i++) {
    values[i] = nearest(group[i] * inverse);
  }
  return scale;
}

/**
 * Rounds a group to integers from −8 to 7 times the scale that it returns.
 *
 * There are four candidates. All keep every weight within half a step, and the
 * one with the least squared error wins. They combine two choices: the −8 is on
 * the positive or on the negative side; the outermost weight is half a step beyond
 * the last integer (smaller steps), or on it (exact for weights that are on a grid
 * already). On normal weights the error is 15 % less than with −7 to 7 and m / 7,
 * and 2 % more than with the best of 90 scales.
 */
function quantizeInt4(group: Float32Array, values: Int8Array): number {
  let high = 0;
  let low = 0;
  for (let i = 0; i < group.length; i++) {
    if (group[i] > high) high = group[i];
    if (-group[i] > low) low = -group[i];
  }
  let best = 0;
  let least = Infinity;
  for (const beyond of [0.5, 0]) {
    for (const sign of [1, -1]) {
      const up = sign > 0 ? high : low;
      const down = sign > 0 ? low : high;
      const step = Math.max(up / (7 + beyond), down / (8 + beyond));
      const scale = Math.fround(sign * Math.max(step, LEAST_SCALE));
      const error = squaredError(group, scale);
      if (error < least) {
        best = scale;
        least = error;
      }
    }
  }
  const inverse = 1 / best;
  for (let i = 0; i < group.length; i++) values[i] = toInt4(group[i] * inverse);
  return best;
}

/**
 * The squared error of a group in 4 bits with this scale. Even and odd places are
 * summed separately, as vectors of two lanes do it.
 */
function squaredError(group: Float32Array, scale: number): number {
  const inverse = 1 / scale;
  let even = 0;
  let odd = 0;
  for (let i = 0; i < group.length; i += 2) {
    const error = group[i] - toInt4(group[i] * inverse) * scale;
    even += error * error;
    if (i + 1 === group.length) break;
    const next = group[i + 1] - toInt4(group[i + 1] * inverse) * scale;
    odd += next * next;
  }
  return even + odd;
}

function toInt4(x: number): number {
  const value = nearest(x);
  return value > 7 ? 7 : value < -8 ? -8 : value;
}

/** The nearest integer to an x > −128; several times as fast as Math.round in V8. */
function nearest(x: number): number {
  return (x + 128.5 | 0) - 128;
}

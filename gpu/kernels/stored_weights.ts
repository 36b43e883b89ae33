/**
 * The storage formats of the weights of `linear`;
 * `core/checkpoints/quantize.ts` defines their values. Kernels read four values
 * along the depth at a time, and compute in 32 bits for every format.
 *
 * A word of an "int8" row holds four values, and the scale of the row follows.
 * A word of an "int4" row holds eight values, and the scales of the groups of
 * 64 follow. The first value is in the lowest bits. Each row contains its
 * scales, so a weight can be split into parts at any row.
 *
 * This module is browser compatible.
 */

import { narrowFloat16 } from "../../core/checkpoints/half.ts";
import {
  groupsOf,
  type IntegerType,
  quantizeRows,
  WEIGHT_BITS,
  type WeightType,
} from "../../core/checkpoints/quantize.ts";

/** The next multiple of four. Rows are padded with zeros to whole vec4. */
export const wholeVectors = (length: number): number =>
  4 * Math.ceil(length / 4);

/** Bytes of a row of `width` values, a multiple of four. */
export function rowBytes(type: WeightType, width: number): number {
  return type === "int8" || type === "int4"
    ? 4 * wordsOf(type, width)
    : width * WEIGHT_BITS[type] / 8;
}

/** Words of a row of integers: its values and its scales. */
function wordsOf(type: IntegerType, width: number): number {
  return Math.ceil(width * WEIGHT_BITS[type] / 32) +
    groupsOf({ width, type }).groups;
}

/**
 * WGSL of `Stored` and of `weightAt(row, k)`, which returns the values 4 k to 4
 * k + 3 of a row. The kernel declares `weight: array<Stored>` and
 * `sizes.depth`.
 */
export const WEIGHT_READERS: Readonly<Record<WeightType, string>> = {
  f32: `
alias Stored = vec4f;
fn weightAt(row: u32, k: u32) -> vec4f { return weight[row * sizes.depth + k]; }
`,
  // Every GPU can unpack 16 bits. The type f16 is optional.
  f16: `
alias Stored = vec2u;
fn weightAt(row: u32, k: u32) -> vec4f {
  let values = weight[row * sizes.depth + k];
  return vec4f(unpack2x16float(values.x), unpack2x16float(values.y));
}
`,
  int8: `
alias Stored = u32;
fn weightAt(row: u32, k: u32) -> vec4f {
  let start = row * (sizes.depth + 1);
  let values = bitcast<i32>(weight[start + k]);
  let scale = bitcast<f32>(weight[start + sizes.depth]);
  return vec4f((vec4i(values) << vec4u(24, 16, 8, 0)) >> vec4u(24)) * scale;
}
`,
  int4: `
alias Stored = u32;
fn weightAt(row: u32, k: u32) -> vec4f {
  let words = (sizes.depth + 1) / 2;
  let start = row * (words + (sizes.depth + 15) / 16);
  let values = bitcast<i32>(weight[start + k / 2] >> (k % 2 * 16));
  let scale = bitcast<f32>(weight[start + words + k / 16]);
  return vec4f((vec4i(values) << vec4u(28, 24, 20, 16)) >> vec4u(28)) * scale;
}
`,
};

/**
 * Encodes rows in a storage format.
 *
 * @param rows finite values, [rows, width]
 * @param width values of a row, a multiple of four
 */
export function encodeWeights(
  rows: Float32Array,
  type: WeightType,
  width: number,
): Float32Array | Uint32Array {
  switch (type) {
    case "f32":
      return rows;
    case "f16":
      return new Uint32Array(narrowFloat16(rows).buffer);
    default:
      return encodeIntegers(rows, type, width);
  }
}

function encodeIntegers(
  rows: Float32Array,
  type: IntegerType,
  width: number,
): Uint32Array {
  const { values, scales } = quantizeRows(rows, { width, type });
  const bits = WEIGHT_BITS[type];
  const places = 32 / bits;
  const words = wordsOf(type, width);
  const { groups } = groupsOf({ width, type });
  const out = new Uint32Array(words * rows.length / width);
  const floats = new Float32Array(out.buffer);
  for (let row = 0; row * width < rows.length; row++) {
    for (let i = 0; i < width; i++) {
      const value = values[row * width + i] & (2 ** bits - 1);
      const place = i % places;
      out[row * words + (i - place) / places] |= value << (bits * place);
    }
    const scalesOfRow = scales.subarray(row * groups, (row + 1) * groups);
    floats.set(scalesOfRow, (row + 1) * words - groups);
  }
  return out;
}

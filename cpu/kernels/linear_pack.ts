/**
 * The packed layout of weights: panels of 8 outputs, so that the inner loop of
 * `linear` reads one stream of memory. Outputs past the last are zero.
 *
 * "f32": shape [⌈O / 8⌉, I, 8], that is, per panel the 8 weights of the first input,
 * then the 8 of the second, and so on.
 *
 * Other types: per panel and group of inputs that share scales, first the 8 scales,
 * then rows of 8 words of 32 bits. Each word holds the weights of one output for 2
 * ("f16"), 4 ("int8") or 8 ("int4") consecutive inputs, from the lowest bits up. The
 * last group is padded with zeros to a multiple of 8 inputs.
 *
 * Halves also have a scale per output, a power of two. It moves the halves to the
 * upper end of their range, because processors are slow with subnormal numbers.
 *
 * This module is browser compatible.
 */

import { narrowFloat16 } from "../../core/checkpoints/half.ts";
import {
  groupsOf,
  quantizeRows,
  WEIGHT_BITS,
  type WeightType,
} from "../../core/checkpoints/quantize.ts";
import { PANEL_BYTES, PANEL_COLUMNS } from "./linear_tile.ts";

/** A type that is widened to floats before the product. */
export type NarrowType = Exclude<WeightType, "f32">;

/** Groups are padded to a multiple of this number of inputs. */
export const CHUNK = 8;

/** Bytes of a panel's words for a chunk. */
export function chunkBytes(type: NarrowType): number {
  return PANEL_COLUMNS * CHUNK * WEIGHT_BITS[type] / 8;
}

/** Inputs that share a scale, or null if all do. */
export function groupInputs(type: NarrowType): number | null {
  return type === "int4" ? groupsOf({ width: Infinity, type }).size : null;
}

/** Bytes that packed weights [O, I] take. */
export function packedBytes(
  type: WeightType,
  [O, I]: readonly number[],
): number {
  const panels = Math.ceil(O / PANEL_COLUMNS);
  return panels * (type === "f32" ? PANEL_BYTES * I : narrowBytes(type, I));
}

/** Bytes of a panel. */
function narrowBytes(type: NarrowType, I: number): number {
  const groups = Math.ceil(I / (groupInputs(type) ?? I));
  return PANEL_BYTES * groups + chunkBytes(type) * Math.ceil(I / CHUNK);
}

/** Offset in bytes of the scale of an output's first group in a packed weight. */
export function rowPlace(type: NarrowType, I: number, output: number): number {
  const lane = output % PANEL_COLUMNS;
  const panel = (output - lane) / PANEL_COLUMNS;
  return panel * narrowBytes(type, I) + 4 * lane;
}

/** A block of rows of a weight. */
export interface PackedRows {
  /** How the weight is packed. */
  readonly type: WeightType;
  /** I, the length of a row. */
  readonly width: number;
  /** The output of the first row. */
  readonly start: number;
}

/**
 * Packs rows that pass `checkWeights`.
 *
 * @param packed the whole weight; it must be zero at the places of these rows
 * @param rows row-major, shape [rows, I]
 */
export function packRows(
  packed: Uint32Array,
  rows: Float32Array,
  { type, width, start }: PackedRows,
): void {
  if (type === "f32") packFloats(asFloats(packed), rows, width, start);
  else packNarrow(type, packed, rows, width, start);
}

function packFloats(
  packed: Float32Array,
  rows: Float32Array,
  I: number,
  start: number,
): void {
  for (let row = 0; row * I < rows.length; row++) {
    const o = start + row;
    const lane = o % PANEL_COLUMNS;
    const panel = (o - lane) * I;
    for (let i = 0; i < I; i++) {
      packed[panel + i * PANEL_COLUMNS + lane] = rows[row * I + i];
    }
  }
}

function packNarrow(
  type: NarrowType,
  packed: Uint32Array,
  rows: Float32Array,
  I: number,
  first: number,
): void {
  const floats = asFloats(packed);
  const bits = WEIGHT_BITS[type];
  const mask = 2 ** bits - 1;
  const places = 32 / bits;
  const group = groupInputs(type) ?? I;
  for (let o = first; (o - first) * I < rows.length; o++) {
    const row = rows.subarray((o - first) * I, (o - first + 1) * I);
    const { values, scales } = type === "f16"
      ? scaleHalves(row)
      : quantizeRows(row, { width: I, type });
    let at = rowPlace(type, I, o) / 4;
    for (let start = 0; start < I; start += group) {
      floats[at] = scales[start / group];
      at += PANEL_COLUMNS;
      const end = Math.min(start + group, I);
      let word = at;
      for (let i = start; i < end; i += places) {
        const wordEnd = Math.min(i + places, end);
        let bitsOfWord = 0;
        for (let j = wordEnd - 1; j >= i; j--) {
          bitsOfWord = bitsOfWord << bits | values[j] & mask;
        }
        packed[word] = bitsOfWord;
        word += PANEL_COLUMNS;
      }
      at += Math.ceil((end - start) / CHUNK) * chunkBytes(type) / 4;
    }
  }
}

/**
 * A row as halves, multiplied by an exact power of two, and the scale for the floats
 * that the kernel makes from their bits (see `widen`).
 */
function scaleHalves(
  row: Float32Array,
): { values: Uint16Array; scales: Float32Array } {
  const values = narrowFloat16(row);
  let largest = 1;
  for (let i = 0; i < values.length; i++) {
    const exponent = values[i] >> 10 & 0x1f;
    if (exponent > largest) largest = exponent;
  }
  const power = 30 - largest;
  for (let i = 0; i < values.length; i++) {
    values[i] = timesPowerOfTwo(values[i], power);
  }
  return { values, scales: Float32Array.of(2 ** (112 - power)) };
}

/** The bits of a half times 2^power, which must not overflow. */
function timesPowerOfTwo(half: number, power: number): number {
  const magnitude = half & 0x7fff;
  if (magnitude >= 0x400) return half + (power << 10);
  if (magnitude === 0) return half;
  // Subnormal, fraction · 2⁻²⁴: the shift that moves its leading one to bit 10,
  // where it is implied.
  const places = Math.clz32(magnitude) - 21;
  const sign = half & 0x8000;
  return power < places
    ? sign | magnitude << power
    : sign | ((power - places) << 10) + (magnitude << places);
}

function asFloats({ buffer, byteOffset, length }: Uint32Array): Float32Array {
  return new Float32Array(buffer, byteOffset, length);
}

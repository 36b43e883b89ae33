/**
 * How the weights of `linear` are stored, four values along the depth at a time.
 * Whatever they are stored as, products and sums are taken in 32 bits.
 *
 * This module is browser compatible.
 */

/** As 32-bit floats, or rounded to 16-bit floats, which take half the memory. */
export type WeightType = "f32" | "f16";

/** Bytes that a value takes. */
export const BYTES_PER_WEIGHT: Readonly<Record<WeightType, number>> = {
  f32: 4,
  f16: 2,
};

/** WGSL of `Stored`, four values, and of `widen(stored)`. */
export const STORED: Readonly<Record<WeightType, string>> = {
  f32: `
alias Stored = vec4f;
fn widen(values: Stored) -> vec4f { return values; }
`,
  // Unpacking is in all of WebGPU; the type f16 is not.
  f16: `
alias Stored = vec2u;
fn widen(values: Stored) -> vec4f {
  return vec4f(unpack2x16float(values.x), unpack2x16float(values.y));
}
`,
};

/** The values as they are stored; beyond ±65504, "f16" stores infinities. */
export function store(
  values: Float32Array,
  type: WeightType,
): Float32Array | Uint32Array {
  if (type === "f32") return values;
  return new Uint32Array(new Float16Array(values).buffer);
}

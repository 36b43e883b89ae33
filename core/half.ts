// 16-bit floating-point numbers widened to 32 bits, and back. Every value of
// either format is a value of float32, so widening is exact.
// This module is browser compatible.

/**
 * Widens bfloat16, which is the upper half of a float32.
 *
 * @param bits The numbers' bits, shape [n].
 * @param out Where they go, shape [n].
 */
export function widenBfloat16(bits: Uint16Array, out: Float32Array): void {
  const outBits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) outBits[i] = bits[i] << 16;
}

/**
 * Widens IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits).
 *
 * @param bits The numbers' bits, shape [n].
 * @param out Where they go, shape [n].
 */
export function widenFloat16(bits: Uint16Array, out: Float32Array): void {
  // One look-up per number: 65,536 entries stay in the second-level cache and
  // are several times faster than telling the four kinds of number apart.
  float32BitsOf ??= Uint32Array.from({ length: 1 << 16 }, (_, h) => widen(h));
  const outBits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) outBits[i] = float32BitsOf[bits[i]];
}

/**
 * Rounds to IEEE 754 binary16, ties to even; from 65,520 on to infinity.
 *
 * @param values Shape [n].
 * @returns The numbers' bits, shape [n].
 */
export function narrowFloat16(values: Float32Array): Uint16Array {
  return new Uint16Array(new Float16Array(values).buffer);
}

/** The float32 bits of each of the 65,536 binary16 numbers, made on first use. */
let float32BitsOf: Uint32Array | undefined;

/** The float32 bits of one binary16 number. */
function widen(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  // Infinity and NaN: all exponent bits set, the fraction kept.
  if (exponent === 31) return sign | 0x7f800000 | fraction << 13;
  // Normal: the exponent's bias goes from 15 to 127.
  if (exponent > 0) return sign | (exponent + 112) << 23 | fraction << 13;
  if (fraction === 0) return sign;
  // Subnormal, fraction · 2⁻²⁴: normal in float32. Move the leading one to bit
  // 10, where it is implied; the number is then 2^(−14 − shift) · 1.fraction.
  const shift = Math.clz32(fraction) - 21;
  return sign | (113 - shift) << 23 | (fraction << shift & 0x3ff) << 13;
}

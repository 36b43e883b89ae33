// Conversion between 16-bit floating-point formats and float32. Every value of
// either format is a float32, so widening is exact.
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
  const bits = new Uint32Array(
    values.buffer,
    values.byteOffset,
    values.length,
  );
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = narrow(bits[i]);
  return halves;
}

/** The float32 bits of 65,520, halfway from the largest number to the next. */
const TOO_LARGE = 0x477ff000;

/** The float32 bits of 2⁻¹⁴, the smallest number with an implied leading one. */
const SMALLEST_NORMAL = 0x38800000;

/** The binary16 bits of a float32, given by its bits. */
function narrow(float: number): number {
  const sign = float >>> 16 & 0x8000;
  const magnitude = float & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= TOO_LARGE) return sign | 0x7c00;
  // Ties go to the even neighbour: half of the last place less a bit is added,
  // and that bit again where the neighbour below is odd.
  if (magnitude >= SMALLEST_NORMAL) {
    const odd = magnitude >> 13 & 1;
    // The exponent's bias goes from 127 to 15.
    return sign | (magnitude - (112 << 23) + 0xfff + odd) >> 13;
  }
  // Subnormal, in units of 2⁻²⁴: shift the fraction with its leading one.
  const shift = 126 - (magnitude >> 23);
  if (shift > 24) return sign;
  const fraction = magnitude & 0x7fffff | 0x800000;
  const odd = fraction >> shift & 1;
  return sign | (fraction + (1 << shift - 1) - 1 + odd) >> shift;
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

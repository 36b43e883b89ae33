import { assertEquals } from "@std/assert";
import {
  narrowFloat16,
  widenBfloat16,
  widenFloat16,
} from "../../core/checkpoints/half.ts";

/** Every 16-bit pattern. */
const ALL = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);

/** The same bits, with every NaN made one: NaN payloads are no numbers. */
function assertSameNumbers(got: Float32Array, want: Float32Array): void {
  const wrong = ALL.findIndex((i) => !Object.is(got[i], want[i]));
  assertEquals(
    wrong,
    -1,
    `bits 0x${wrong.toString(16)}: got ${got[wrong]}, want ${want[wrong]}`,
  );
}

Deno.test("widenFloat16() agrees with the platform's Float16Array on all 65,536 values", () => {
  const got = new Float32Array(ALL.length);
  widenFloat16(ALL, got);
  assertSameNumbers(got, Float32Array.from(new Float16Array(ALL.buffer)));
});

Deno.test("widenFloat16() knows the numbers at the edges of the format", () => {
  const got = new Float32Array(8);
  widenFloat16(
    Uint16Array.of(
      0x0001,
      0x03ff,
      0x0400,
      0x3c00,
      0x7bff,
      0x7c00,
      0xfc00,
      0x8000,
    ),
    got,
  );
  // Least subnormal, greatest subnormal, least normal, one, greatest, ±∞, −0.
  assertEquals(Array.from(got), [
    2 ** -24,
    1023 * 2 ** -24,
    2 ** -14,
    1,
    65504,
    Infinity,
    -Infinity,
    -0,
  ]);
});

Deno.test("narrowFloat16() gives back the bits of every half that is a number", () => {
  const widened = new Float32Array(ALL.length);
  widenFloat16(ALL, widened);
  const numbers = ALL.filter((i) => !Number.isNaN(widened[i]));
  assertEquals(narrowFloat16(widened.filter((x) => !Number.isNaN(x))), numbers);
});

Deno.test("narrowFloat16() agrees with the platform's Float16Array on all kinds of float32", () => {
  // Every upper half of the bits, with lower halves around the ties.
  const lower = [0, 1, 0x0fff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000, 0xffff];
  const bits = new Uint32Array(lower.length << 16);
  bits.forEach((_, i) =>
    bits[i] = (Math.floor(i / lower.length) << 16 | lower[i % lower.length]) >>>
      0
  );
  const values = new Float32Array(bits.buffer)
    .filter((x) => !Number.isNaN(x));
  assertEquals(
    narrowFloat16(values),
    new Uint16Array(new Float16Array(values).buffer),
  );
});

Deno.test("widenBfloat16() agrees with the format's definition on all 65,536 values", () => {
  const got = new Float32Array(ALL.length);
  widenBfloat16(ALL, got);
  // (−1)^s · 2^(e − 127) · 1.f, or 2^(−126) · 0.f where e is 0.
  const want = Float32Array.from(ALL, (bits) => {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = bits >> 7 & 0xff;
    const fraction = (bits & 0x7f) / 128;
    if (exponent === 255) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0
      ? sign * 2 ** -126 * fraction
      : sign * 2 ** (exponent - 127) * (1 + fraction);
  });
  assertSameNumbers(got, want);
});

Deno.test("widenFloat16() and widenBfloat16() write only their part of a larger array", () => {
  const out = new Float32Array(4).fill(9);
  widenFloat16(Uint16Array.of(0x3c00), out.subarray(1, 2));
  widenBfloat16(Uint16Array.of(0x4000), out.subarray(2, 3));
  assertEquals(Array.from(out), [9, 1, 2, 9]);
});

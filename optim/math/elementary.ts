/**
 * Exponentials and logarithms that are the same to the last bit everywhere.
 *
 * Engines round `Math.exp()` and its like differently, and an optimiser amplifies
 * such a difference: with the engine's own functions, suggestions of Node.js 20 and
 * of Deno 2.9 differed in the fifth digit after fifteen evaluations. These functions use nothing but + − × ÷,
 * whose results the IEEE standard fixes. Errors are of one or two units in the last
 * place, as with fdlibm, from which `exp()` and `log()` have their polynomials.
 */

// This module is browser compatible.

/** log 2 in two parts: products of the first with small integers are exact. */
const LN2_HIGH = 6.93147180369123816490e-1;
const LN2_LOW = 1.90821492927058770002e-10;
const INVERSE_LN2 = 1.44269504088896338700;

/** Beyond these e^x is no finite number, or 0. */
const LARGEST = 709.782712893384;
const LEAST = -745.1332191019412;

/** The exponents of the least and largest powers of two. */
const LEAST_EXPONENT = -1074;
const LARGEST_EXPONENT = 1023;

/** 2^k at k − `LEAST_EXPONENT`, by doubling and halving. */
const POWERS = new Float64Array(LARGEST_EXPONENT - LEAST_EXPONENT + 1);
POWERS[-LEAST_EXPONENT] = 1;
for (let k = -LEAST_EXPONENT + 1; k < POWERS.length; k++) {
  POWERS[k] = 2 * POWERS[k - 1];
}
for (let k = -LEAST_EXPONENT - 1; k >= 0; k--) POWERS[k] = POWERS[k + 1] / 2;

/**
 * e^x: x = k log 2 + r, and e^r by a rational function of r.
 *
 * @param x Any number.
 * @returns e^x.
 */
export function exp(x: number): number {
  if (!(x <= LARGEST)) return x > 0 ? Infinity : NaN;
  if (x < LEAST) return 0;
  let k = Math.floor(x * INVERSE_LN2 + 0.5);
  const high = x - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const t = r * r;
  const c = r - t * (1.66666666666666019037e-1 +
        t * (-2.77777777770155933842e-3 +
            t * (6.61375632143793436117e-5 +
                t * (-1.65339022054652515390e-6 +
                    t * 4.13813679705723846039e-8))));
  let y = 1 - (low - r * c / (2 - c) - high);
  if (k > LARGEST_EXPONENT) {
    y *= 2;
    k--;
  } else if (k < LEAST_EXPONENT) {
    y /= 2;
    k++;
  }
  return y * POWERS[k - LEAST_EXPONENT];
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
double[0] = 1;
/** Which of the two words has the exponent. */
const HIGH = words[1] === 0 ? 0 : 1;

/**
 * The natural logarithm: x = 2^k (1 + f), and log (1 + f) by a polynomial of
 * f / (2 + f).
 *
 * @param x Any number.
 * @returns log x; NaN below 0.
 */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  let k = 0;
  if (x < 2.2250738585072014e-308) {
    // Subnormal numbers have no leading digit of 1.
    x *= 18014398509481984;
    k = -54;
  }
  double[0] = x;
  // 1 + f is in [√½, √2].
  const word = words[HIGH] + 0x95f62;
  k += (word >>> 20) - 0x3ff;
  words[HIGH] = (word & 0xfffff) + 0x3fe6a09e;
  const f = double[0] - 1;
  const half = 0.5 * f * f;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (3.999999999940941908e-1 +
    w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const odd = z * (6.666666666666735130e-1 +
    w * (2.857142874366239149e-1 +
        w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  return s * (half + odd + even) + k * LN2_LOW - half + f + k * LN2_HIGH;
}

/**
 * log (1 + x), accurate for small x: what rounding adds to 1 + x is divided out
 * (Kahan, in Goldberg, "What every computer scientist should know about
 * floating-point arithmetic", 1991, theorem 4).
 *
 * @param x Any number.
 * @returns log (1 + x); NaN below −1.
 */
export function log1p(x: number): number {
  const u = 1 + x;
  if (u === 1 || x === Infinity) return x;
  return log(u) * (x / (u - 1));
}

/**
 * e^x − 1, accurate for small x: what rounding adds to e^x is divided out, as in
 * `log1p()`.
 *
 * @param x Any number.
 * @returns e^x − 1.
 */
export function expm1(x: number): number {
  const u = exp(x);
  if (u === 1) return x;
  if (u < 1e-17 || u === Infinity) return u - 1;
  return (u - 1) * (x / log(u));
}

/**
 * base^exponent for a positive base, as e^(exponent · log base).
 *
 * @param base A positive number.
 * @param exponent Any number.
 * @returns The power, to a relative accuracy of |exponent · log base| · 1e-16.
 */
export function power(base: number, exponent: number): number {
  return exp(exponent * log(base));
}

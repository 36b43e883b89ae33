/**
 * exp and the activation functions, on four floats at a time: code that kernels
 * put into their loops. Stated errors are the largest over all floats of the
 * interval; `tests/cpu/math_test.ts` measures them.
 *
 * GELU needs ½ (1 + erf(x / √2)) and ½ (1 + tanh(u)). For negative arguments these
 * are small differences of large numbers. This file computes the equal functions
 * Φ(x), the normal distribution function, and σ(2u), the logistic function, which
 * have no such difference.
 *
 * This module is browser compatible.
 */

import type { Activation } from "../../core/backend.ts";
import {
  type Expression,
  f32x4,
  type FunctionBody,
  i32x4,
  v128,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { fitPolynomial } from "./polynomial.ts";

/** Four floats, in code. */
export type Vector = Expression<"v128">;

/** The code of a function of four floats; it may add locals to the body. */
export type VectorFunction = (body: FunctionBody, x: Vector) => Vector;

/** The functions of this file, with one kind of multiply-add. */
export interface VectorMath {
  /**
   * eˣ, relative error below 1.5e-7 where the result is a normal number
   * (−87.3 < x < 88.3); 0 below it and ∞ above it. e⁰ is exactly 1.
   */
  readonly exp: VectorFunction;
  /**
   * 2ˣ for x < 127.5, relative error below 1.5e-7; 0 for x < −126.5. A quarter
   * less work than eˣ, for kernels that can use base 2.
   */
  readonly exp2: VectorFunction;
  /** x σ(x), σ(x) = 1 / (1 + e⁻ˣ); relative error below 5e-7 for x > −87. */
  readonly silu: VectorFunction;
  /**
   * The activation functions of `linear`; absolute error below 6e-7 for x < 4,
   * relative error below 5e-6 for x > −6 (quick GELU: −20).
   */
  readonly activations: Readonly<Record<Activation, VectorFunction>>;
}

/** Floats from 2²³ on have no fraction; the factor 1.5 allows negative numbers. */
const ROUND = 1.5 * 2 ** 23;
const ONE_BITS = 0x3f800000;
/** ln 2 in two parts: the first has 9 bits, so that its products are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;
/** Arguments at which `exp` gives 0 and ∞, and `exp2` gives 0. */
const EXP_LOW = -88;
const EXP_HIGH = 89;
const EXP2_LOW = -127;
/** Constant of t in Φ's polynomial; this value has the least error at degree 9. */
const CDF_SCALE = 0.35;
/** Φ(−14) is far below the smallest float. */
const CDF_RANGE = 14;

/** The functions of this file, built on a multiply-add. */
export function vectorMath(madd: MultiplyAdd): VectorMath {
  const constant = (value: number): Vector => f32x4.const(value);

  /** 2ⁿ, for a float whose lowest bits are n. */
  function powerOfTwo(shifted: Vector): Vector {
    return i32x4.add(i32x4.shl(shifted, 23), i32x4.const(ONE_BITS));
  }

  /** Horner's rule. */
  function polynomial(coefficients: readonly number[], x: Vector): Vector {
    return coefficients.slice(0, -1).reduceRight(
      (sum, c) => madd(sum, x, constant(c)),
      constant(coefficients.at(-1)!),
    );
  }

  /**
   * eˣ = 2ⁿ eʳ with n = round(x / ln 2): eʳ is a polynomial on |r| ≤ ½ ln 2, and 2ⁿ
   * is built from its bits. x is limited to n = −127 … 128, and at these ends the
   * bits are those of 0 and ∞.
   */
  const exp: VectorFunction = (body, x) => {
    const limited = body.let(
      f32x4.pmax(f32x4.pmin(x, constant(EXP_HIGH)), constant(EXP_LOW)),
    );
    // The sum is so large that its lowest bits are n, without a fraction.
    const shifted = body.let(
      madd(limited, constant(Math.LOG2E), constant(ROUND)),
    );
    const n = body.let(f32x4.sub(shifted, constant(ROUND)));
    const high = madd(n, constant(-LN2_HIGH), limited);
    const r = body.let(madd(n, constant(-LN2_LOW), high));
    return f32x4.mul(polynomial(EXP, r), powerOfTwo(shifted));
  };

  /** The same with n = round(x). */
  const exp2: VectorFunction = (body, x) => {
    const limited = body.let(f32x4.pmax(x, constant(EXP2_LOW)));
    const shifted = body.let(f32x4.add(limited, constant(ROUND)));
    const n = f32x4.sub(shifted, constant(ROUND));
    const r = body.let(f32x4.sub(limited, n));
    return f32x4.mul(polynomial(EXP2, r), powerOfTwo(shifted));
  };

  /** σ(x) = 1 / (1 + e⁻ˣ). */
  const sigmoid: VectorFunction = (body, x) =>
    f32x4.div(constant(1), f32x4.add(constant(1), exp(body, f32x4.neg(x))));

  /**
   * Φ(x). For a = |x|, Φ(−a) = exp(−a²/2) t P(t) with t = 1 / (1 + 0.35 a) and a
   * fitted polynomial P; and Φ(a) = 1 − Φ(−a). The form is that of Abramowitz &
   * Stegun 7.1.26.
   */
  const normalCdf: VectorFunction = (body, x) => {
    const argument = body.let(x);
    const a = body.let(f32x4.abs(argument));
    const gauss = exp2(
      body,
      f32x4.mul(f32x4.mul(a, a), constant(-0.5 * Math.LOG2E)),
    );
    const t = body.let(
      f32x4.div(constant(1), madd(a, constant(CDF_SCALE), constant(1))),
    );
    const tail = body.let(
      f32x4.mul(gauss, f32x4.mul(t, polynomial(TAIL, t))),
    );
    return v128.bitselect(
      f32x4.sub(constant(1), tail),
      tail,
      f32x4.gt(argument, constant(0)),
    );
  };

  /** x · f(u(x)). */
  const times = (
    f: VectorFunction,
    u: (body: FunctionBody, x: Vector) => Vector = (_, x) => x,
  ): VectorFunction =>
  (body, x) => {
    const argument = body.let(x);
    return f32x4.mul(argument, f(body, u(body, argument)));
  };

  return {
    exp,
    exp2,
    silu: times(sigmoid),
    activations: {
      gelu: times(normalCdf),
      gelu_tanh: times(sigmoid, (body, x) => {
        // 2u = 2 √(2/π) (x + 0.044715 x³)
        const scale = 2 * Math.sqrt(2 / Math.PI);
        const square = body.let(f32x4.mul(x, x));
        return f32x4.mul(
          x,
          madd(square, constant(scale * 0.044715), constant(scale)),
        );
      }),
      quick_gelu: times(sigmoid, (_, x) => f32x4.mul(x, constant(1.702))),
    },
  };
}

/** eʳ = 1 + r P(r) on |r| ≤ ½ ln 2. */
const EXP: readonly number[] = [
  1,
  ...fitPolynomial((r) => Math.expm1(r) / r, -Math.LN2 / 2, Math.LN2 / 2, 5),
];

/** 2ʳ = 1 + r P(r) on |r| ≤ ½. */
const EXP2: readonly number[] = [
  1,
  ...fitPolynomial((r) => Math.expm1(r * Math.LN2) / r, -0.5, 0.5, 5),
];

/**
 * Φ(−a) exp(a²/2) = 1/√(2π) ∫₀^∞ exp(−s²/2 − a s) ds, by Simpson's rule; the
 * integrand is below 1e-17 from s = 9 on.
 */
function scaledTail(a: number): number {
  const steps = 900;
  const h = 9 / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const s = i * h;
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp(-s * s / 2 - a * s);
  }
  return sum * h / 3 / Math.sqrt(2 * Math.PI);
}

/** P of Φ: Φ(−a) exp(a²/2) / t. */
const TAIL: readonly number[] = fitPolynomial(
  (t) => scaledTail((1 / t - 1) / CDF_SCALE) / t,
  1 / (1 + CDF_SCALE * CDF_RANGE),
  1,
  8,
);

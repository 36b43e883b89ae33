// Linear algebra: hand-worked factors, identities on random matrices, refusals.

import { assertEquals, assertThrows } from "@std/assert";
import {
  appendRow,
  cholesky,
  choleskyWithJitter,
  factorInPlace,
  inverseFromTransposed,
  invertTransposed,
  JITTER_LADDER,
  solveLower,
  solveLowerTransposed,
} from "../../optim/math/linalg.ts";
import { createPrng } from "../../optim/math/random.ts";
import { assertClose } from "../_compare.ts";

/** Sizes on both sides of the tiles of three. */
const SIZES = [1, 2, 3, 4, 5, 6, 7, 20, 100];

/** A well-conditioned positive definite matrix: B Bᵀ + I. */
function randomMatrix(n: number): Float64Array {
  const random = createPrng(n);
  const b = new Float64Array(n * n).map(() => random() - 0.5);
  const a = multiply(b, transpose(b, n), n);
  for (let i = 0; i < n; i++) a[i * n + i] += 1;
  return a;
}

function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  return new Float64Array(n * n).map((_, at) => {
    let sum = 0;
    for (let k = 0; k < n; k++) {
      sum += a[Math.floor(at / n) * n + k] * b[k * n + at % n];
    }
    return sum;
  });
}

function transpose(a: Float64Array, n: number): Float64Array {
  return a.map((_, at) => a[(at % n) * n + Math.floor(at / n)]);
}

function identity(n: number): Float64Array {
  return new Float64Array(n * n).map((_, at) => at % (n + 1) === 0 ? 1 : 0);
}

Deno.test("`cholesky()` finds a factor worked out by hand", () => {
  const a = Float64Array.of(4, 12, -16, 12, 37, -43, -16, -43, 98);
  assertEquals(cholesky(a, 3), Float64Array.of(2, 0, 0, 6, 1, 0, -8, 5, 3));
});

Deno.test("`cholesky()` times its transpose is the matrix", () => {
  for (const n of SIZES) {
    const a = randomMatrix(n);
    const l = cholesky(a, n);
    assertClose(multiply(l, transpose(l, n), n), a, { absolute: 1e-13 });
  }
});

Deno.test("`cholesky()` does not read above the diagonal", () => {
  const a = Float64Array.of(4, NaN, 2, 10);
  assertEquals(cholesky(a, 2), Float64Array.of(2, 0, 1, 3));
});

Deno.test("`cholesky()` names pivot and value when the matrix is indefinite", () => {
  assertThrows(
    () => cholesky(Float64Array.of(1, 0, 2, 1), 2),
    RangeError,
    "Cannot factor the matrix as it must be positive definite: pivot 1 is -3",
  );
  const late = identity(8);
  late[6 * 8 + 6] = -0.5;
  assertThrows(() => cholesky(late, 8), RangeError, "pivot 6 is -0.5");
});

Deno.test("`cholesky()` refuses NaN and infinity", () => {
  for (const value of [NaN, Infinity]) {
    const a = identity(5);
    a[3 * 5 + 3] = value;
    assertThrows(() => cholesky(a, 5), RangeError, `pivot 3 is ${value}`);
  }
});

Deno.test("`choleskyWithJitter()` adds nothing when nothing is needed", () => {
  const a = randomMatrix(6);
  const { factor, jitter } = choleskyWithJitter(a, 6);
  assertEquals(jitter, 0);
  assertEquals(factor, cholesky(a, 6));
});

Deno.test("`choleskyWithJitter()` takes the first rung that is enough", () => {
  // Eigenvalues 4 and −6e-6 at most: 1e-6 of the mean diagonal 2 is too little.
  const a = Float64Array.of(2, 2 + 5e-6, 2 + 5e-6, 2);
  const { factor, jitter } = choleskyWithJitter(a, 2);
  assertEquals(jitter, 2e-4);
  const [, , l10, l11] = factor;
  assertClose([l10 * l10 + l11 * l11], [2 + 2e-4], { relative: 1e-15 });
});

Deno.test("`choleskyWithJitter()` says which rung was the last", () => {
  assertThrows(
    () => choleskyWithJitter(Float64Array.of(1, 2, 2, 1), 2, [0, 0.5]),
    RangeError,
    "with a jitter of 0.5",
  );
  assertEquals(JITTER_LADDER.toSorted((a, b) => a - b), [...JITTER_LADDER]);
});

Deno.test("`factorInPlace()` leaves the upper triangle as it is", () => {
  const a = Float64Array.of(4, 7, 2, 10);
  assertEquals(factorInPlace(a, 2), 2);
  assertEquals(a, Float64Array.of(2, 7, 1, 3));
});

Deno.test("`solveLower()` and `solveLowerTransposed()` undo the factor", () => {
  for (const n of SIZES) {
    const a = randomMatrix(n);
    const l = cholesky(a, n);
    const x = new Float64Array(n).map((_, i) => i - 2);
    const b = x.map((_, i) =>
      x.reduce((sum, value, k) => sum + a[i * n + k] * value, 0)
    );
    solveLower(l, n, b);
    solveLowerTransposed(l, n, b);
    assertClose(b, x, { absolute: 1e-11 });
  }
});

Deno.test("`inverseFromTransposed()` gives the inverse", () => {
  for (const n of SIZES) {
    const a = randomMatrix(n);
    const u = new Float64Array(n * n).fill(NaN);
    const inverse = new Float64Array(n * n);
    const l = cholesky(a, n);
    invertTransposed(l, n, u);
    assertClose(multiply(l, transpose(u, n), n), identity(n), {
      absolute: 1e-13,
    });
    inverseFromTransposed(u, n, inverse);
    const upper = transpose(inverse, n);
    const whole = inverse.map((value, at) => value || upper[at]);
    assertClose(multiply(a, whole, n), identity(n), { absolute: 1e-12 });
  }
});

Deno.test("`appendRow()` equals a factor made anew", () => {
  for (const n of SIZES) {
    const m = n + 1;
    const a = randomMatrix(m);
    const corner = new Float64Array(n * n).map((_, at) =>
      a[Math.floor(at / n) * m + at % n]
    );
    const grown = appendRow(cholesky(corner, n), n, a.slice(n * m));
    assertClose(grown, cholesky(a, m), { absolute: 1e-14 });
  }
});

Deno.test("`appendRow()` names the pivot when the row is a combination of others", () => {
  const l = cholesky(Float64Array.of(1, 0, 0, 1), 2);
  assertThrows(
    () => appendRow(l, 2, Float64Array.of(1, 1, 2)),
    RangeError,
    "pivot 2 is 0",
  );
});

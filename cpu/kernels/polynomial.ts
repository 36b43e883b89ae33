/**
 * Polynomial approximations of functions on an interval. They are fitted when a
 * module is assembled, so that the source shows the function, the interval and the
 * degree instead of unexplained digits.
 *
 * This module is browser compatible.
 */

/**
 * The polynomial that agrees with f at the Chebyshev nodes of the interval:
 * its largest error is within a small factor of the best possible.
 *
 * @returns coefficients c₀ … c_degree of Σ cₙ xⁿ
 */
export function fitPolynomial(
  f: (x: number) => number,
  low: number,
  high: number,
  degree: number,
): number[] {
  const nodes = Array.from(
    { length: degree + 1 },
    (_, i) =>
      (low + high) / 2 +
      (high - low) / 2 * Math.cos(Math.PI * (i + 0.5) / (degree + 1)),
  );
  // Newton's divided differences, in place: d[i] = f[x₀ … xᵢ].
  const d = nodes.map(f);
  for (let order = 1; order <= degree; order++) {
    for (let i = degree; i >= order; i--) {
      d[i] = (d[i] - d[i - 1]) / (nodes[i] - nodes[i - order]);
    }
  }
  // Horner's rule on Newton's form: c ← c · (x − xᵢ) + d[i].
  let c: number[] = [];
  for (let i = degree; i >= 0; i--) {
    c = [0, ...c].map((below, n) => below - nodes[i] * (c[n] ?? 0));
    c[0] += d[i];
  }
  return c;
}

/**
 * The error function, which JavaScript lacks and exact GELU needs.
 *
 * This module is browser compatible.
 */

/**
 * erf(x) = 2/√π ∫₀ˣ exp(−t²) dt, to about 1e-15 for every x.
 *
 * |x| < 2.5: the Maclaurin series in the form whose terms are all positive,
 * erf(x) = 2x/√π · exp(−x²) · Σ (2x²)ⁿ / (1·3·5···(2n+1)) (Abramowitz & Stegun
 * 7.1.6). Else: 1 − erfc by its continued fraction (7.1.14), evaluated from
 * the far end.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x); // erfc(6) = 2e-17, below half an ulp of 1
  const gauss = Math.exp(-a * a) / Math.sqrt(Math.PI);
  if (a < 2.5) {
    let term = 1;
    let sum = 1;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= 2 * a * a / (2 * n + 1);
      sum += term;
    }
    return 2 * x * gauss * sum;
  }
  let fraction = a;
  for (let n = 60; n >= 1; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - gauss / fraction);
}

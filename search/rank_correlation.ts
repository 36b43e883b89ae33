/**
 * Rank correlation of the vision tokens between two layers: Kendall's τ-b, and
 * its mean over neighbouring layers. Neighbouring layers rank alike; the search
 * rests on this finding (docs/method.md, "Layers rank alike").
 *
 * N = vision tokens, L = layers.
 */

// This module is browser compatible.

/**
 * Kendall's τ-b of two score lists. It is 1 for the same ranking and −1 for the
 * opposite one:
 *
 *     τ_b = (P − Q) / √((n₀ − n₁)(n₀ − n₂))
 *
 * n₀ = N(N − 1)/2 is the number of pairs. P pairs are ranked alike, Q are
 * ranked oppositely, n₁ are tied in x and n₂ are tied in y. Merge sort counts
 * them in O(N log N): Knight, "A computer method for calculating Kendall's tau
 * with ungrouped data" (1966).
 *
 * @param x Scores, shape [N].
 * @param y Scores of the same tokens, shape [N].
 * @returns τ_b in [−1, 1]. It is undefined and NaN if all x or all y are tied,
 * or N < 2.
 * @throws {TypeError} If the lengths differ.
 * @throws {RangeError} If a score is NaN.
 */
export function kendallTau(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
): number {
  if (x.length !== y.length) {
    throw new TypeError(
      `Cannot rank lists of unequal length: expected ${x.length} values, got ${y.length}`,
    );
  }
  checkScores(x);
  checkScores(y);

  // Sort by x, and ties by y. Then each discordant pair is an inversion of y,
  // and pairs tied in x are not inversions.
  const order = Array.from(x, (_, i) => i).sort((a, b) =>
    compare(x[a], x[b]) || compare(y[a], y[b])
  );
  const tiedInX = countTiedPairs(order, (a, b) => x[a] === x[b]);
  const tiedInBoth = countTiedPairs(
    order,
    (a, b) => x[a] === x[b] && y[a] === y[b],
  );
  const yByX = Float64Array.from(order, (i) => y[i]);
  const discordant = sortCountingInversions(yByX);
  const tiedInY = countTiedPairs(yByX, (a, b) => a === b);

  const pairs = x.length * (x.length - 1) / 2;
  const concordant = pairs - tiedInX - tiedInY + tiedInBoth - discordant;
  const tau = (concordant - discordant) /
    Math.sqrt(pairs - tiedInX) / Math.sqrt(pairs - tiedInY);
  // Rounding of the two roots can exceed [−1, 1] by an ulp. NaN passes through.
  return Math.max(-1, Math.min(1, tau));
}

/**
 * Mean τ-b between each pair of neighbouring layers, as in the bars of the
 * paper's figure.
 *
 * @param samples Scores, shape [samples][L][N]: the attention mass that each
 * vision token receives in each layer of the unreduced model. Samples may
 * differ in N.
 * @returns Mean over the samples, shape [L − 1]. Entry i is for the layers i
 * and i + 1. It is NaN if the τ-b of a sample is undefined.
 * @throws {TypeError} If there is no sample, or the samples or layers differ
 * in shape.
 * @throws {RangeError} If a score is NaN.
 */
export function neighbouringTau(
  samples: readonly (readonly ArrayLike<number>[])[],
): number[] {
  if (samples.length === 0) {
    throw new TypeError("Cannot take a mean as there is no sample");
  }
  const layers = samples[0].length;
  const sums: number[] = Array(Math.max(0, layers - 1)).fill(0);
  for (const scores of samples) {
    if (scores.length !== layers) {
      throw new TypeError(
        `Cannot take a mean as samples differ in layers: expected ${layers}, got ${scores.length}`,
      );
    }
    for (let i = 0; i < sums.length; i++) {
      sums[i] += kendallTau(scores[i], scores[i + 1]);
    }
  }
  return sums.map((sum) => sum / samples.length);
}

function checkScores(scores: ArrayLike<number>): void {
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) {
      throw new RangeError(
        `Cannot rank scores as each must be a number: value at index ${i} is NaN`,
      );
    }
  }
}

/** Compares two numbers. `a - b` would be NaN for equal infinities. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Number of pairs within runs of neighbours that `tied` calls equal. */
function countTiedPairs(
  sorted: ArrayLike<number>,
  tied: (a: number, b: number) => boolean,
): number {
  let pairs = 0;
  let run = 0;
  for (let i = 1; i < sorted.length; i++) {
    run = tied(sorted[i - 1], sorted[i]) ? run + 1 : 0;
    // Element i ties with each of the `run` elements before it.
    pairs += run;
  }
  return pairs;
}

/**
 * Sorts `values` in place, ascending, by bottom-up merge sort. Returns the
 * number of pairs that stood in descending order; equal values do not count.
 */
function sortCountingInversions(values: Float64Array): number {
  const n = values.length;
  const merged = new Float64Array(n);
  let inversions = 0;
  for (let width = 1; width < n; width *= 2) {
    for (let start = 0; start < n; start += 2 * width) {
      const middle = Math.min(start + width, n);
      const end = Math.min(start + 2 * width, n);
      let left = start;
      let right = middle;
      for (let out = start; out < end; out++) {
        if (left < middle && (right === end || values[left] <= values[right])) {
          merged[out] = values[left++];
        } else {
          // values[right] moves before all remaining values of the left half.
          inversions += middle - left;
          merged[out] = values[right++];
        }
      }
    }
    values.set(merged);
  }
  return inversions;
}

/**
 * From logits to results.
 *
 * This module is browser compatible.
 */

import type { SampleResult } from "../search/evaluate.ts";

/**
 * Whether the likeliest token is the answer, and how unlikely the answer was.
 *
 * @param logits shape [B, V]
 * @param b the sample's row
 * @param V tokens in the vocabulary
 * @param answer the right token
 * @returns `correct`, and `loss` = −log softmax(logits)[answer] in nats, ≥ 0
 */
export function scoreAnswer(
  logits: Float32Array,
  b: number,
  V: number,
  answer: number,
): Pick<SampleResult, "correct" | "loss"> {
  const row = logits.subarray(b * V, (b + 1) * V);
  const best = argmax(row);
  // Relative to the largest logit, so that exp does not overflow and a common
  // offset cancels.
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - row[best]);
  const loss = Math.log(sum) + (row[best] - row[answer]);
  return { correct: best === answer, loss };
}

/** The place of the largest value; of equal ones, the first. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if (values[i] > values[best]) best = i;
  }
  return best;
}

/** Share of right answers; NaN when there is no sample. */
export function accuracy(samples: readonly SampleResult[]): number {
  return samples.filter(({ correct }) => correct).length / samples.length;
}

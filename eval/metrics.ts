/**
 * From logits to results.
 *
 * This module is browser compatible.
 */

import type { SampleResult } from "../search/evaluate.ts";

/**
 * Scores an answer: whether each of its tokens is the likeliest at its position,
 * and the negative log-likelihood of all.
 *
 * @param logits shape [B, A, V]: logits at each of the A positions of the answer
 * @param b the sample's row
 * @param V tokens in the vocabulary
 * @param answer the right tokens
 * @returns `correct`, and `loss` = −Σ log softmax(logits)[token] in nats, ≥ 0
 */
export function scoreAnswer(
  logits: Float32Array,
  b: number,
  V: number,
  answer: readonly number[],
): Pick<SampleResult, "correct" | "loss"> {
  let correct = true;
  let loss = 0;
  for (const [a, token] of answer.entries()) {
    const start = (b * answer.length + a) * V;
    const row = logits.subarray(start, start + V);
    const best = argmax(row);
    correct &&= best === token;
    loss += logSum(row, row[best]) + (row[best] - row[token]);
  }
  return { correct, loss };
}

/**
 * KL(p ‖ q) of two distributions in nats, ≥ 0 except for rounding.
 *
 * @param p logits of the first, shape [V]
 * @param q logits of the second, shape [V]
 */
export function klDivergence(p: Float32Array, q: Float32Array): number {
  const logP = logSoftmax(p);
  const logQ = logSoftmax(q);
  return logP.reduce(
    (sum, log, i) => sum + Math.exp(log) * (log - logQ[i]),
    0,
  );
}

function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits[argmax(logits)];
  const log = logSum(logits, largest);
  return Float64Array.from(logits, (logit) => logit - largest - log);
}

/**
 * log Σ exp of logits, relative to the largest of them, so that exp does not
 * overflow and a common offset cancels.
 */
function logSum(logits: Float32Array, largest: number): number {
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return Math.log(sum);
}

/** The index of the largest value; ties go to the first. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if (values[i] > values[best]) best = i;
  }
  return best;
}

/** Share of right answers; NaN if there is no sample. */
export function accuracy(samples: readonly SampleResult[]): number {
  return samples.filter(({ correct }) => correct).length / samples.length;
}

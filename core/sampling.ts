/**
 * Chooses a token from its logits.
 *
 * This module is browser compatible.
 */

/** How a token is chosen. */
export interface SamplingOptions {
  /**
   * Divides the logits before the softmax; 0 always takes the likeliest token.
   * Default 0.
   */
  readonly temperature?: number;
  /**
   * Nucleus sampling: draws from the fewest likeliest tokens whose probabilities
   * sum to this. In (0, 1]; default 1, which means all tokens.
   */
  readonly topP?: number;
  /** Uniform random numbers in [0, 1). Needed unless the temperature is 0. */
  readonly random?: () => number;
}

/**
 * Chooses the next token.
 *
 * @param logits shape [V]
 * @returns its id; at temperature 0, ties go to the lowest id
 * @throws {RangeError} an option is out of range, a logit is not a number, or
 *   the largest is not finite
 */
export function sampleToken(
  logits: Float32Array,
  { temperature = 0, topP = 1, random }: SamplingOptions = {},
): number {
  if (!(temperature >= 0 && temperature < Infinity)) {
    throw new RangeError(
      `Cannot sample a token as the temperature must be a number >= 0: current value is ${temperature}`,
    );
  }
  if (!(topP > 0 && topP <= 1)) {
    throw new RangeError(
      `Cannot sample a token as top-p must be in (0, 1]: current value is ${topP}`,
    );
  }
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) {
      throw new RangeError(
        `Cannot sample a token as logit ${id} is not a number`,
      );
    }
    if (logits[id] > logits[best]) best = id;
  }
  if (!Number.isFinite(logits[best])) {
    throw new RangeError(
      `Cannot sample a token as the largest logit must be finite: current value is ${
        logits[best]
      }`,
    );
  }
  if (temperature === 0) return best;
  if (random === undefined) {
    throw new RangeError(
      `Cannot sample a token at temperature ${temperature} without random numbers`,
    );
  }

  // Relative to the largest logit, so that no exponential overflows.
  const weights = Array.from(
    logits,
    (logit) => Math.exp((logit - logits[best]) / temperature),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const byWeight = [...weights.keys()].sort((a, b) =>
    weights[b] - weights[a] || a - b
  );
  let nucleus = 0;
  let size = 0;
  while (nucleus < topP * total && size < byWeight.length) {
    nucleus += weights[byWeight[size++]];
  }
  let rest = random() * nucleus;
  for (const id of byWeight.slice(0, size)) {
    rest -= weights[id];
    if (rest < 0) return id;
  }
  return byWeight[size - 1]; // reached only by rounding
}

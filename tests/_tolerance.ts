/**
 * How far apart results may be: the one table of tolerances, by how a backend
 * computes and by how much computation lies behind a number.
 */

import type { Tolerance } from "./_compare.ts";

/** By how much computation lies behind a number. */
export interface Tolerances {
  /** One operation on given inputs. */
  readonly operation: Tolerance;
  /** Hidden states, features and scores: up to a whole tower of layers. */
  readonly hidden: Tolerance;
  /** Next-token logits: everything, from pixels on. */
  readonly logits: Tolerance;
}

/**
 * Backends that store and compute in 32-bit floats. A float has 6e-8 of
 * relative precision; 1e-5 leaves room for sums of some hundred terms in
 * another order. The absolute floors are for numbers near zero that are sums of
 * larger ones (near one in operations, near ten in hidden states): there the
 * error is that of the terms.
 */
export const F32_TOLERANCES: Tolerances = {
  operation: { relative: 1e-5, absolute: 1e-6 },
  hidden: { relative: 2e-5, absolute: 2e-5 },
  logits: { relative: 1e-4, absolute: 5e-5 },
};

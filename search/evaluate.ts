/**
 * The interface between a search and a model: a function from a schedule to
 * per-sample results. The search never sees the model. The function may run a
 * model in this process, a pool of workers, or a program in another language.
 */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";

/** Result of one sample under a schedule. */
export interface SampleResult {
  /**
   * Number of the sample, unique in its set and the same for every schedule. It
   * pairs a trial with the full model.
   */
  readonly index: number;
  /** Whether the model's answer is right. */
  readonly correct: boolean;
  /**
   * Negative log-likelihood of the right answer, −log p(answer), in nats.
   * Finite and ≥ 0.
   */
  readonly loss: number;
  /** Token ids of the answer, if the model was asked to generate one. */
  readonly generated?: readonly number[];
}

/** Per-sample results of one schedule. */
export interface Evaluation {
  /** Results of the samples seen so far, each once, in any order. */
  readonly samples: readonly SampleResult[];
  /**
   * Number of samples in the whole set. The evaluation is complete when
   * `samples.length` equals it.
   */
  readonly total: number;
}

/** Options of an {@linkcode Evaluate} call. */
export interface EvaluateOptions {
  /**
   * Number of leading layers with the same keep counts as in the previous call
   * of this function. The function may reuse hidden states that it cached then,
   * if they enter a layer ≤ `fixedLayers`. Default 0: nothing is promised.
   */
  readonly fixedLayers?: number;
  /**
   * Called after each batch with all results of this call so far. If it returns
   * true, the function stops and resolves with these results.
   */
  readonly stop?: (partial: Evaluation) => boolean;
  /** Aborts the call: the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the model with a schedule over a set of samples, which is the same for
 * every call. It resolves with the results of the complete set, unless
 * {@linkcode EvaluateOptions.stop} ends it early.
 */
export type Evaluate = (
  schedule: Schedule,
  options?: EvaluateOptions,
) => Promise<Evaluation>;

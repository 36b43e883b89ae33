/**
 * What a search asks for: a function from a schedule to per-sample results,
 * never a model. It may run a model in this process, a pool of workers, or a
 * program in another language.
 */

// This module is browser compatible.

import type { Schedule } from "../core/schedule.ts";

/** What the model made of one sample under a schedule. */
export interface SampleResult {
  /**
   * The sample's number in its set, unique there and the same for every
   * schedule: what pairs a trial with the full model.
   */
  readonly index: number;
  /** Whether the model's answer is the right one. */
  readonly correct: boolean;
  /**
   * Negative log-likelihood of the right answer, −log p(answer), in nats.
   * Finite and ≥ 0.
   */
  readonly loss: number;
  /** Token ids of the answer that the model generated, where it was asked to. */
  readonly generated?: readonly number[];
}

/** Per-sample results of one schedule. */
export interface Evaluation {
  /** The samples seen so far, each once, in any order. */
  readonly samples: readonly SampleResult[];
  /**
   * Samples in the whole set. The evaluation is complete when
   * `samples.length` equals it.
   */
  readonly total: number;
}

/** Options of an {@linkcode Evaluate} call. */
export interface EvaluateOptions {
  /**
   * Layers 0 … `fixedLayers − 1` have the same keep counts as in the previous
   * call of this function, so hidden states cached then and entering a layer
   * ≤ `fixedLayers` may be used. Default 0: nothing is promised.
   */
  readonly fixedLayers?: number;
  /**
   * Asked after each batch, with everything seen so far in this call. When it
   * returns true the function stops and resolves with that evaluation.
   */
  readonly stop?: (partial: Evaluation) => boolean;
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the model with a schedule over one set of samples, the same set on
 * every call, and resolves with what it saw: the complete set unless
 * {@linkcode EvaluateOptions.stop} ended it.
 */
export type Evaluate = (
  schedule: Schedule,
  options?: EvaluateOptions,
) => Promise<Evaluation>;

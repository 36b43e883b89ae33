/**
 * model × data × schedule → per-sample results, on one thread. `pool.ts` uses
 * several.
 *
 * This module is browser compatible.
 */

import type { VisionLanguageModel } from "../core/mod.ts";
import type { Evaluate } from "../search/evaluate.ts";
import {
  type BatchOptions,
  type BatchRunner,
  createBatchRunner,
} from "./batch_runner.ts";
import { makeBatches, type SampleSet } from "./batches.ts";
import { evaluateShares, type Share } from "./evaluation.ts";

/** How an evaluator runs the model. */
export interface EvaluatorOptions extends BatchOptions {
  /**
   * The most samples that run together. Default 8. Small batches let a trial stop
   * earlier, which is best for a backend that gains little from large ones.
   */
  readonly batchSize?: number;
  /** Called after each batch with the number of samples done in this call. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Default number of samples per batch. */
export const DEFAULT_BATCH_SIZE = 8;

/**
 * Prepares a sample set for evaluation under any number of schedules. Vision
 * tokens are computed when first needed. Answers are scored with teacher forcing:
 * one pass over the right answer gives the probability of each token, and whether
 * each is the likeliest. If all are, greedy generation gives this answer.
 *
 * @throws {RangeError} a sample or the batch size is impossible
 *
 * @example Accuracy of a schedule
 * ```ts ignore
 * const evaluate = createEvaluator(model, set);
 * const { samples } = await evaluate(fastvSchedule({ layers: 8, ... }));
 * ```
 */
export function createEvaluator(
  model: VisionLanguageModel,
  set: SampleSet,
  options: EvaluatorOptions = {},
): Evaluate {
  return createEvaluators(model).createEvaluator(set, options);
}

/** Makes evaluators of one model. */
export interface Evaluators extends Disposable {
  /**
   * As the function of this name. Evaluators of the same set and batch size share
   * the vision tokens and prefixes of its images.
   */
  createEvaluator(set: SampleSet, options?: EvaluatorOptions): Evaluate;
  /** Frees all tensors or ends all workers; running evaluations reject. */
  [Symbol.dispose](): void;
}

/** A sample set that is ready to be run. */
interface PreparedSet {
  readonly runner: BatchRunner;
  /** All its batches. */
  readonly share: Share;
  readonly total: number;
}

/** Makes evaluators of a model that run on this thread. */
export function createEvaluators(model: VisionLanguageModel): Evaluators {
  const prepared = new PerSet<PreparedSet>();
  let disposed = false;
  function free(): void {
    for (const { runner } of prepared.all()) runner.free();
  }
  function checkLife(): void {
    if (!disposed) return;
    free(); // tensors of a run that was under way
    throw new Error("Cannot evaluate as the evaluators were disposed");
  }
  function prepare(set: SampleSet, batchSize: number): PreparedSet {
    const { images, samples } = set;
    const { vocabulary } = model.config.decoder;
    const batches = makeBatches(set, batchSize, vocabulary);
    const runner = createBatchRunner(model, { images, batches });
    const share: Share = {
      count: batches.length,
      run: async (batch, options) => {
        checkLife();
        const results = await runner.run(batch, options);
        checkLife();
        return results;
      },
      pause: eventLoopTurn,
    };
    return { runner, share, total: samples.length };
  }
  return {
    createEvaluator(set, options = {}) {
      const {
        batchSize = DEFAULT_BATCH_SIZE,
        onProgress,
        ...batchOptions
      } = options;
      const { share, total } = prepared.get(
        set,
        batchSize,
        () => prepare(set, batchSize),
      );
      return evaluateShares([share], {
        total,
        options: batchOptions,
        reordersWhenStopped: false,
        onProgress,
      });
    },
    [Symbol.dispose]: () => {
      disposed = true;
      free();
    },
  };
}

/** Values that evaluators of the same set and batch size share. */
export class PerSet<T> {
  readonly #shared = new Map<SampleSet, Map<number, T>>();

  /** The value of this set; made on first use. */
  get(set: SampleSet, batchSize: number, make: () => T): T {
    const ofSet = this.#shared.get(set) ?? new Map<number, T>();
    this.#shared.set(set, ofSet);
    const shared = ofSet.get(batchSize) ?? make();
    ofSet.set(batchSize, shared);
    return shared;
  }

  /** All values. */
  all(): T[] {
    return [...this.#shared.values()].flatMap((ofSet) => [...ofSet.values()]);
  }
}

/** The longest that timers and signals wait, in milliseconds. */
const MOST_WAIT = 20;
let lastTurn = 0;

/**
 * Lets timers and signals (Ctrl-C) have their turn between computations. A turn
 * costs more than a millisecond, so most calls return at once.
 */
export async function eventLoopTurn(): Promise<void> {
  if (performance.now() - lastTurn < MOST_WAIT) return;
  await new Promise((resolve) => setTimeout(resolve));
  lastTurn = performance.now();
}

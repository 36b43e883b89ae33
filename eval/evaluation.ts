/**
 * The loop of an evaluation, once for both evaluators: `evaluator.ts` runs a
 * sample set as one share on its own thread, `pool.ts` as one share per worker.
 *
 * Batches that were hardest in the last complete run come first, and the loop
 * stops as soon as the caller is certain of the verdict.
 *
 * This module is browser compatible.
 */

import type { Evaluate, SampleResult } from "../search/evaluate.ts";
import type { BatchOptions, BatchRun } from "./batch_runner.ts";
import { defer } from "./deferred.ts";

/** Batches that run one after the other, beside other shares. */
export interface Share {
  /** Number of batches. */
  readonly count: number;
  /** Runs one of them, given by its place in the share. */
  readonly run: (
    batch: number,
    run: BatchRun,
  ) => Promise<readonly SampleResult[]>;
  /** Lets timers and signals have their turn, where `run` may never wait. */
  readonly pause?: () => Promise<void>;
}

/** How shares are evaluated. */
export interface EvaluationOptions {
  /** Samples of all shares. */
  readonly total: number;
  /** How each batch is run. */
  readonly options: BatchOptions;
  /**
   * Whether a run counts as complete if `stop` ended it after its last batch,
   * so that its losses decide the order of the next.
   */
  readonly reordersWhenStopped: boolean;
  /** Called after each batch with the number of samples done in this call. */
  readonly onProgress: ((done: number, total: number) => void) | undefined;
}

/** An `Evaluate` function over shares; samples come in the order they were run. */
export function evaluateShares(
  shares: readonly Share[],
  { total, options, reordersWhenStopped, onProgress }: EvaluationOptions,
): Evaluate {
  const ordered = shares.map((share) => ({
    share,
    /** Mean loss of each batch when last run, in nats. */
    losses: Array<number>(share.count).fill(0),
    /** The batches by their place in the share, the hardest first. */
    order: [...Array(share.count).keys()],
  }));

  return async (schedule, { fixedLayers = 0, stop, signal } = {}) => {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = defer<void>();
    const samples: SampleResult[] = [];
    const run = { ...options, schedule, fixedLayers };
    let ended = false;
    let stopped = false;
    const onAbort = (): void => {
      ended = true;
      reject(signal!.reason);
    };

    async function runShare(
      { share, losses, order }: typeof ordered[number],
    ): Promise<void> {
      // Without `stop` all batches run: neighbours ask about the same images.
      for (const batch of stop ? order : losses.keys()) {
        const results = await share.run(batch, run);
        // A result that comes after the end is not counted.
        if (ended) return;
        losses[batch] = meanLoss(results);
        samples.push(...results);
        onProgress?.(samples.length, total);
        // Before any other share has its turn: the caller's verdict is on these.
        if (stop?.({ samples, total })) {
          ended = stopped = true;
          resolve();
        }
        if (ended) return;
        await share.pause?.();
        if (ended) return;
      }
    }

    signal?.addEventListener("abort", onAbort);
    try {
      Promise.all(ordered.map(runShare)).then(() => resolve(), reject);
      // Does not wait for batches under way, which may take long.
      await promise;
    } finally {
      ended = true;
      signal?.removeEventListener("abort", onAbort);
    }
    // A trial fails by its hard samples: run first, they make that certain early.
    if (samples.length === total && (reordersWhenStopped || !stopped)) {
      for (const share of ordered) share.order = hardestFirst(share.losses);
    }
    return { samples, total };
  };
}

/** The order in which to run batches: those with the greatest loss first. */
function hardestFirst(losses: readonly number[]): number[] {
  return [...losses.keys()].sort((a, b) => losses[b] - losses[a]);
}

/** Mean loss of a batch, in nats. */
function meanLoss(results: readonly SampleResult[]): number {
  return results.reduce((sum, { loss }) => sum + loss, 0) / results.length;
}

/**
 * A pool of workers, one per core: each loads the model once and runs its share
 * of a sample set on one thread.
 *
 * Memory: every worker holds its own copy of the weights. While it loads, it also
 * holds a block or two of a tensor in 32 bits, which the pool reads and transfers. The
 * pool itself holds no weights.
 *
 * Results are bit-identical for any number of workers: batches are made once for
 * the whole set, and a worker gets whole batches. A worker that dies is replaced,
 * and its open batches run again.
 *
 * This module is browser compatible.
 */

import type { ModelSource, WeightOptions } from "../core/mod.ts";
import {
  type Batch,
  type BatchSet,
  makeBatches,
  type SampleSet,
} from "./batches.ts";
import type { Device } from "./device.ts";
import { evaluateShares, type Share } from "./evaluation.ts";
import { DEFAULT_BATCH_SIZE, type Evaluators, PerSet } from "./evaluator.ts";
import { LastingWorker } from "./lasting_worker.ts";
import type { LoadRequest } from "./messages.ts";

/** How a pool runs the model. */
export interface PoolOptions extends WeightOptions {
  /** The device of each worker. Default "cpu". */
  readonly device?: Device;
  /**
   * Starts a worker that runs `worker.ts`. Needed if a build moves that file;
   * the default looks for it beside this module.
   */
  readonly createWorker?: () => Worker;
}

/** A sample set that the workers hold. */
interface SharedSet {
  /** One share per worker; workers without batches have none. */
  readonly shares: readonly Share[];
  readonly total: number;
}

/**
 * Starts workers.
 *
 * @param source the model; every worker reads its weights
 * @param count workers, an integer of 1 or more, usually
 *   `navigator.hardwareConcurrency`
 * @throws {RangeError} `count` is not such an integer
 */
export function createEvaluatorPool(
  { config, normalization, tensors }: ModelSource,
  count: number,
  { device = "cpu", weightType = "f32", createWorker = startWorker }:
    PoolOptions = {},
): Evaluators {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot start workers as their count must be an integer of 1 or more: current value is ${count}`,
    );
  }
  const load: LoadRequest = {
    kind: "load",
    device,
    weightType,
    config,
    normalization,
    tensors: new Map(
      [...tensors.tensors].map(([name, { shape }]) => [name, { shape }]),
    ),
  };
  const workers = Array.from(
    { length: count },
    () => new LastingWorker(load, { createWorker, tensors }),
  );
  const shared = new PerSet<SharedSet>();
  let sets = 0;

  function share(all: SampleSet, batchSize: number): SharedSet {
    const set = sets++;
    const { vocabulary } = config.decoder;
    const batches = makeBatches(all, batchSize, vocabulary);
    const shares = workers.flatMap((worker, i): Share[] => {
      // Neighbouring batches ask about the same images.
      const own = slice(batches, i, count);
      if (own.length === 0) return [];
      worker.add({ kind: "add", set, share: selectImages(all, own) });
      return [{
        count: own.length,
        run: (batch, run) => worker.run({ kind: "run", set, batch, run }),
      }];
    });
    return { shares, total: all.samples.length };
  }

  return {
    createEvaluator(all, options = {}) {
      const {
        batchSize = DEFAULT_BATCH_SIZE,
        onProgress,
        ...batchOptions
      } = options;
      const { shares, total } = shared.get(
        all,
        batchSize,
        () => share(all, batchSize),
      );
      const evaluate = evaluateShares(shares, {
        total,
        options: batchOptions,
        reordersWhenStopped: true,
        onProgress,
      });
      return async (schedule, options) => {
        const { samples } = await evaluate(schedule, options);
        return {
          samples: samples.toSorted((a, b) => a.index - b.index),
          total,
        };
      };
    },
    [Symbol.dispose]: () =>
      workers.forEach((worker) => worker[Symbol.dispose]()),
  };
}

function startWorker(): Worker {
  const here = import.meta.url;
  if (here.endsWith(".ts")) {
    return new Worker(new URL("./worker.ts", here), { type: "module" });
  }
  // Packages hold JavaScript. Bundlers recognise exactly this expression.
  return new Worker(new URL("./worker.js", import.meta.url), {
    type: "module",
  });
}

/** The i-th of `count` slices whose sizes differ by at most one. */
function slice<T>(all: readonly T[], i: number, count: number): T[] {
  const start = (part: number): number => Math.floor(part * all.length / count);
  return all.slice(start(i), start(i + 1));
}

/** Batches with only the images that they use, renumbered. */
function selectImages(
  { images }: SampleSet,
  batches: readonly Batch[],
): BatchSet {
  const used = [...new Set(batches.flat().map(({ image }) => image))];
  const placeOf = new Map(used.map((image, place) => [image, place]));
  return {
    images: used.map((image) => images[image]),
    batches: batches.map((batch) =>
      batch.map((sample) => ({
        ...sample,
        image: placeOf.get(sample.image)!,
      }))
    ),
  };
}

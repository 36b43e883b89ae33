/**
 * model × data × schedule → per-sample results.
 *
 * Samples are run in batches of equal prompt length. What a schedule cannot
 * change is computed once: vision tokens per image, and, for G-Search, the
 * hidden states that enter the layer under search (all layers before it are
 * decided), so that a trial runs only the layers from there on.
 *
 * This module is browser compatible.
 */

import {
  type DecoderState,
  embedImages,
  embedPrompts,
  type Indices,
  type LlavaModel,
  nextTokenLogits,
  type Prompt,
  type ReductionOptions,
  type RgbImage,
  runDecoder,
  type Schedule,
  type Tensor,
} from "../core/mod.ts";
import type { Evaluate, SampleResult } from "../search/evaluate.ts";
import { scoreAnswer } from "./metrics.ts";

/** A question about an image, in tokens. */
export interface Sample {
  /** Which image of the set. */
  readonly image: number;
  /** What is asked. */
  readonly prompt: Prompt;
  /** The token that answers it. */
  readonly answer: number;
  /**
   * What results call it, and the seed of its random ranking. Default: its
   * place in the set.
   */
  readonly number?: number;
}

/** Questions about images. */
export interface SampleSet {
  /** Of the model's size. */
  readonly images: readonly RgbImage[];
  /** Several may share an image. */
  readonly samples: readonly Sample[];
}

/** How an evaluator runs the model. */
export interface EvaluatorOptions extends ReductionOptions {
  /**
   * Whether to cache the hidden states entering the first layer that may
   * change. Costs B·S·D floats per sample; worth it in a search. Default true.
   */
  readonly cache?: boolean;
  /**
   * Samples that run together, at most. Default 8. A backend that computes one
   * sample as fast as its share of eight does best with few: a trial can stop
   * earlier.
   */
  readonly batchSize?: number;
  /** Called after each batch with the number of samples done in this call. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Samples per batch where the caller does not say. */
const BATCH = 8;

/** A batch as it enters some layer. */
interface CachedState {
  readonly state: DecoderState;
  /** Keep counts of the layers before that one. */
  readonly keep: readonly number[];
}

/** Samples of one shape that run together, and what is known of them. */
interface Batch {
  /** Their places in the set. */
  readonly samples: readonly number[];
  /** Their mean loss when last run, in nats. */
  loss: number;
  /** How far it was run last, where that is kept. */
  cached: CachedState | null;
}

/**
 * Prepares a sample set for evaluation under any number of schedules. Vision
 * tokens are computed on the first call.
 *
 * @example Accuracy of a schedule
 * ```ts ignore
 * const evaluate = createEvaluator(model, set);
 * const { samples } = await evaluate(fastvSchedule({ layers: 8, ... }));
 * ```
 */
export function createEvaluator(
  model: LlavaModel,
  set: SampleSet,
  { cache = true, batchSize = BATCH, onProgress, ...reduction }:
    EvaluatorOptions = {},
): Evaluate {
  const { backend } = model;
  const batches = makeBatches(set.samples, batchSize);
  const visionTokens = new Map<number, Tensor>();
  const numberOf = (place: number): number =>
    set.samples[place].number ?? place;

  function embedNewImages({ samples }: Batch): void {
    for (const { image } of samples.map((index) => set.samples[index])) {
      if (!visionTokens.has(image)) {
        visionTokens.set(image, embedImages(model, [set.images[image]]));
      }
    }
  }

  /** The batch as it enters layer 0. */
  function embed({ samples }: Batch): DecoderState {
    return backend.scope(() =>
      embedPrompts(
        model,
        backend.concat(
          samples.map((index) => visionTokens.get(set.samples[index].image)!),
          0,
        ),
        samples.map((index) => set.samples[index].prompt),
        reduction.ranking === "random" ? samples.map(numberOf) : undefined,
      )
    );
  }

  /** Runs the batch up to layer `layer`, from where it was run to if possible. */
  function advanceCache(
    batch: Batch,
    schedule: Schedule,
    layer: number,
  ): void {
    let { cached } = batch;
    if (
      cached === null || cached.keep.length > layer ||
      cached.keep.some((keep, i) => keep !== schedule.keep[i])
    ) {
      cached = { state: embed(batch), keep: [] };
      replaceCache(batch, cached);
    }
    const from = cached.keep.length;
    if (from === layer) return;
    replaceCache(batch, {
      state: runDecoder(model, cached.state, schedule, {
        ...reduction,
        from,
        to: layer,
      }),
      keep: schedule.keep.slice(0, layer),
    });
  }

  function replaceCache(batch: Batch, cached: CachedState): void {
    // Layers hand on position ids and random scores as they are.
    const kept = tensorsOf(cached.state);
    const old = batch.cached ? tensorsOf(batch.cached.state) : [];
    backend.free(old.filter((tensor) => !kept.includes(tensor)));
    batch.cached = cached;
  }

  /** Logits of the batch's samples, shape [B, 1, V]. */
  function runBatch(
    batch: Batch,
    schedule: Schedule,
    fixedLayers: number,
  ): Tensor {
    embedNewImages(batch);
    if (cache) advanceCache(batch, schedule, fixedLayers);
    return backend.scope(() => {
      const { state, keep } = batch.cached ?? { state: embed(batch), keep: [] };
      const left = runDecoder(model, state, schedule, {
        ...reduction,
        from: keep.length,
      });
      return nextTokenLogits(model, left);
    });
  }

  return async (schedule, { fixedLayers = 0, stop, signal } = {}) => {
    const total = set.samples.length;
    const results: SampleResult[] = [];
    for (const batch of batches) {
      signal?.throwIfAborted();
      const logits = runBatch(batch, schedule, fixedLayers);
      const values = await backend.read(logits);
      backend.free([logits]);
      const scored = batch.samples.map((place, b) => ({
        index: numberOf(place),
        ...scoreAnswer(
          values,
          b,
          model.config.decoder.vocabulary,
          set.samples[place].answer,
        ),
      }));
      batch.loss = scored.reduce((sum, { loss }) => sum + loss, 0) /
        scored.length;
      results.push(...scored);
      onProgress?.(results.length, total);
      await eventLoopTurn();
      if (stop?.({ samples: results, total })) {
        return { samples: results, total };
      }
    }
    // Whether a trial fails is decided by the samples that are hard: with them
    // in front it is certain early.
    batches.sort((a, b) => b.loss - a.loss);
    return { samples: results, total };
  };
}

function tensorsOf(
  { hidden, positions, scores }: DecoderState,
): (Tensor | Indices)[] {
  return scores ? [hidden, positions, scores] : [hidden, positions];
}

/** Lets timers and signals (Ctrl-C) have their turn between long computations. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Batches of one prompt length each, in the order of their first samples. */
function makeBatches(samples: readonly Sample[], size: number): Batch[] {
  const open = new Map<string, number[]>();
  const batches: number[][] = [];
  samples.forEach(({ prompt: { before, after } }, index) => {
    const shape = `${before.length}+${after.length}`;
    let batch = open.get(shape);
    if (batch === undefined || batch.length === size) {
      batch = [];
      open.set(shape, batch);
      batches.push(batch);
    }
    batch.push(index);
  });
  return batches.map((samples) => ({ samples, loss: 0, cached: null }));
}

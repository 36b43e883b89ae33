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
}

/** Questions about images; a sample's place in `samples` is its number. */
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
  /** Called after each batch with the number of samples done in this call. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Samples per batch: small enough that a trial can stop early. */
const BATCH = 8;

/** Samples of one shape that run together, and what is known of them. */
interface Batch {
  /** Their numbers in the set. */
  readonly samples: readonly number[];
  /** The deepest cached state, and the keep counts of the layers before it. */
  cached:
    | { readonly state: DecoderState; readonly keep: readonly number[] }
    | null;
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
  { cache = true, onProgress, ...reduction }: EvaluatorOptions = {},
): Evaluate {
  const { backend } = model;
  const batches = makeBatches(set.samples);
  const visionTokens = new Map<number, Tensor>();

  /** The batch as it enters layer 0. */
  function embed({ samples }: Batch): DecoderState {
    for (
      const image of new Set(samples.map((index) => set.samples[index].image))
    ) {
      if (!visionTokens.has(image)) {
        visionTokens.set(image, embedImages(model, [set.images[image]]));
      }
    }
    return backend.scope(() =>
      embedPrompts(
        model,
        backend.concat(
          samples.map((index) => visionTokens.get(set.samples[index].image)!),
          0,
        ),
        samples.map((index) => set.samples[index].prompt),
        reduction.ranking === "random" ? samples : undefined,
      )
    );
  }

  /** The state entering layer `layer`, from the cache as far as it reaches. */
  function advance(
    batch: Batch,
    schedule: Schedule,
    layer: number,
  ): DecoderState {
    const usable = batch.cached !== null &&
      batch.cached.keep.length <= layer &&
      batch.cached.keep.every((keep, i) => keep === schedule.keep[i]);
    if (!usable) forget(batch);
    const { state, keep } = batch.cached ?? { state: embed(batch), keep: [] };
    if (keep.length === layer) return state;
    const from = keep.length;
    const next = runDecoder(model, state, schedule, {
      from,
      to: layer,
      ...reduction,
    });
    free(state);
    return next;
  }

  function free({ hidden, positions, scores }: DecoderState): void {
    backend.free(scores ? [hidden, positions, scores] : [hidden, positions]);
  }

  function forget(batch: Batch): void {
    if (batch.cached) free(batch.cached.state);
    batch.cached = null;
  }

  return async (schedule, { fixedLayers = 0, stop, signal } = {}) => {
    const total = set.samples.length;
    const results: SampleResult[] = [];
    for (const batch of batches) {
      signal?.throwIfAborted();
      const entry = cache ? fixedLayers : 0;
      const state = advance(batch, schedule, entry);
      if (cache) batch.cached = { state, keep: schedule.keep.slice(0, entry) };
      const logits = backend.scope(() =>
        nextTokenLogits(
          model,
          runDecoder(model, state, schedule, { from: entry, ...reduction }),
        )
      );
      if (!cache) free(state);
      const values = await backend.read(logits);
      backend.free([logits]);
      results.push(...batch.samples.map((index, b) => ({
        index,
        ...scoreAnswer(
          values,
          b,
          model.config.decoder.vocabulary,
          set.samples[index].answer,
        ),
      })));
      onProgress?.(results.length, total);
      await eventLoopTurn();
      if (stop?.({ samples: results, total })) break;
    }
    return { samples: results, total };
  };
}

/** Lets timers and signals (Ctrl-C) have their turn between long computations. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Batches of one prompt length each, in the order of their first samples. */
function makeBatches(samples: readonly Sample[]): Batch[] {
  const open = new Map<string, number[]>();
  const batches: number[][] = [];
  samples.forEach(({ prompt: { before, after } }, index) => {
    const shape = `${before.length}+${after.length}`;
    let batch = open.get(shape);
    if (batch === undefined || batch.length === BATCH) {
      batch = [];
      open.set(shape, batch);
      batches.push(batch);
    }
    batch.push(index);
  });
  return batches.map((samples) => ({ samples, cached: null }));
}

/**
 * Samples in batches, and what it takes to run one batch under a schedule.
 *
 * Batches hold samples of equal prompt length. What a schedule cannot change
 * is computed once: vision tokens per image, and, for G-Search, the hidden
 * states that enter the layer under search (all layers before it are
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
  predictNextToken,
  type Prompt,
  type ReductionOptions,
  type RgbImage,
  runDecoder,
  type Schedule,
  type Tensor,
} from "../core/mod.ts";
import type { SampleResult } from "../search/evaluate.ts";
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

/** A sample that has its number. */
export type NumberedSample = Sample & { readonly number: number };

/** Samples of one prompt length that run together. At least one. */
export type Batch = readonly NumberedSample[];

/** Images and batches of questions about them. */
export interface BatchSet {
  /** Of the model's size. */
  readonly images: readonly RgbImage[];
  /** Each run as a whole. */
  readonly batches: readonly Batch[];
}

/** How batches are run. */
export interface BatchOptions extends ReductionOptions {
  /**
   * Whether to cache the hidden states entering the first layer that may
   * change. Costs B·S·D floats per sample; worth it in a search. Default true.
   */
  readonly cache?: boolean;
}

/**
 * Runs one batch, given by its place in the set.
 *
 * @param fixedLayers as in `EvaluateOptions`, but never relied on: what was
 *   cached for another schedule is not used
 * @returns one result per sample, in their order
 */
export type RunBatch = (
  batch: number,
  schedule: Schedule,
  fixedLayers: number,
) => Promise<SampleResult[]>;

/**
 * Batches of one prompt length each, in the order of their first samples.
 *
 * @param size samples per batch, at most
 */
export function makeBatches(samples: readonly Sample[], size: number): Batch[] {
  const open = new Map<string, NumberedSample[]>();
  const batches: NumberedSample[][] = [];
  samples.forEach((sample, place) => {
    const { before, after } = sample.prompt;
    const shape = `${before.length}+${after.length}`;
    let batch = open.get(shape);
    if (batch === undefined || batch.length === size) {
      batch = [];
      open.set(shape, batch);
      batches.push(batch);
    }
    batch.push({ number: place, ...sample });
  });
  return batches;
}

/** The order in which to run batches: those with the greatest loss first. */
export function hardestFirst(losses: readonly number[]): number[] {
  return [...losses.keys()].sort((a, b) => losses[b] - losses[a]);
}

/** Mean loss of a batch, in nats. */
export function meanLoss(results: readonly SampleResult[]): number {
  return results.reduce((sum, { loss }) => sum + loss, 0) / results.length;
}

/** A batch as it enters some layer. */
interface CachedState {
  readonly state: DecoderState;
  /** Keep counts of the layers before that one. */
  readonly keep: readonly number[];
}

/**
 * Prepares batches to be run on a model, in any order and under any number of
 * schedules. Vision tokens are computed when first needed.
 */
export function createBatchRunner(
  model: LlavaModel,
  { images, batches }: BatchSet,
  { cache = true, ...reduction }: BatchOptions,
): RunBatch {
  const { backend } = model;
  const visionTokens = new Map<number, Tensor>();
  /** How far each batch was run last, where that is kept. */
  const cached = new Map<Batch, CachedState>();

  function embedNewImages(batch: Batch): void {
    for (const { image } of batch) {
      if (!visionTokens.has(image)) {
        visionTokens.set(image, embedImages(model, [images[image]]));
      }
    }
  }

  /** The batch as it enters layer 0. */
  function embed(batch: Batch): DecoderState {
    return backend.scope(() =>
      embedPrompts(
        model,
        backend.concat(batch.map(({ image }) => visionTokens.get(image)!), 0),
        batch.map(({ prompt }) => prompt),
        reduction.ranking === "random"
          ? batch.map(({ number }) => number)
          : undefined,
      )
    );
  }

  /** Runs the batch up to layer `layer`, from where it was run to if possible. */
  function advanceCache(
    batch: Batch,
    schedule: Schedule,
    layer: number,
  ): void {
    let entry = cached.get(batch);
    if (
      entry === undefined || entry.keep.length > layer ||
      entry.keep.some((keep, i) => keep !== schedule.keep[i])
    ) {
      entry = { state: embed(batch), keep: [] };
      replaceCache(batch, entry);
    }
    const from = entry.keep.length;
    if (from === layer) return;
    replaceCache(batch, {
      state: runDecoder(model, entry.state, schedule, {
        ...reduction,
        from,
        to: layer,
      }),
      keep: schedule.keep.slice(0, layer),
    });
  }

  function replaceCache(batch: Batch, entry: CachedState): void {
    // Layers hand on as they are: position ids, scores that are not from
    // attention, raters.
    const kept = tensorsOf(entry.state);
    const old = cached.get(batch);
    if (old) {
      backend.free(
        tensorsOf(old.state).filter((tensor) => !kept.includes(tensor)),
      );
    }
    cached.set(batch, entry);
  }

  /** Logits of the batch's samples, shape [B, 1, V]. */
  function computeLogits(
    batch: Batch,
    schedule: Schedule,
    fixedLayers: number,
  ): Tensor {
    embedNewImages(batch);
    // The last layer computes less than a state holds: it is always run.
    const last = model.decoder.layers.length - 1;
    if (cache) advanceCache(batch, schedule, Math.min(fixedLayers, last));
    return backend.scope(() => {
      const { state, keep } = cached.get(batch) ??
        { state: embed(batch), keep: [] };
      return predictNextToken(model, state, schedule, {
        ...reduction,
        from: keep.length,
      });
    });
  }

  return async (place, schedule, fixedLayers) => {
    const batch = batches[place];
    const logits = computeLogits(batch, schedule, fixedLayers);
    const values = await backend.read(logits);
    backend.free([logits]);
    return batch.map(({ number, answer }, b) => ({
      index: number,
      ...scoreAnswer(values, b, model.config.decoder.vocabulary, answer),
    }));
  };
}

function tensorsOf(
  { hidden, positions, scores, raters }: DecoderState,
): (Tensor | Indices)[] {
  return [hidden, positions, scores ?? [], raters ?? []].flat();
}

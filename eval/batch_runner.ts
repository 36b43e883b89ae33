/**
 * Runs one batch of samples under a schedule. Results that do not depend on the
 * schedule are computed once: per image, the layers before the first reduction;
 * for G-Search, the hidden states at the input of the layer under search, since
 * all layers before it are decided. A trial then runs only the layers from there
 * on.
 *
 * This module is browser compatible.
 */

import {
  type Context,
  continuePrefixes,
  type DecoderState,
  embedPrompts,
  type Indices,
  predictNextToken,
  prefill,
  type ReductionOptions,
  runDecoder,
  scaleSchedule,
  type Schedule,
  sharesPrefixes,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleResult } from "../search/evaluate.ts";
import { type Batch, type BatchSet, forcedPrompt } from "./batches.ts";
import { createImageStore } from "./images.ts";
import { scoreAnswer } from "./metrics.ts";
import { generateAnswers, type GenerationLimits } from "./generation.ts";

/** How batches are run. */
export interface BatchOptions extends ReductionOptions {
  /**
   * Whether to cache the hidden states at the input of the first layer that may
   * change. It takes B·S·D floats per batch and speeds up a search. Default true.
   */
  readonly cache?: boolean;
  /**
   * If set, the model also generates an answer to each sample, within these
   * limits. This takes another run from layer 0 on. Default: no generation.
   */
  readonly generate?: GenerationLimits;
}

/** How one batch is run. */
export interface BatchRun extends BatchOptions {
  /** Keep counts, to be scaled to the images of the batch. */
  readonly schedule: Schedule;
  /**
   * As in `EvaluateOptions`, but only a hint: a cache of another schedule is
   * never used. Default 0.
   */
  readonly fixedLayers?: number;
}

/**
 * Runs one batch, given by its place in the set.
 *
 * @returns one result per sample, in their order
 */
export type RunBatch = (
  batch: number,
  run: BatchRun,
) => Promise<SampleResult[]>;

/** Batches that are ready to be run. */
export interface BatchRunner {
  /** Runs one of them. */
  readonly run: RunBatch;
  /** Frees all cached tensors. */
  readonly free: () => void;
}

/** A batch at the input of some layer. */
interface EnteringState {
  readonly state: DecoderState;
  /** Keep counts of the layers before. */
  readonly keep: readonly number[];
  /** The rules by which they reduced. */
  readonly reduction: ReductionOptions;
}

/**
 * Prepares batches. They can then be run in any order under any schedules.
 */
export function createBatchRunner(
  model: VisionLanguageModel,
  { images, batches }: BatchSet,
): BatchRunner {
  const { backend } = model;
  const store = createImageStore(model, images);
  /** The cached state of each batch. */
  const cached = new Map<Batch, EnteringState>();
  const last = model.decoder.layers.length - 1;

  /** The batch at the input of layer `to`, computed from the image on. */
  function enter(
    batch: Batch,
    schedule: Schedule,
    to: number,
    reduction: ReductionOptions,
  ): EnteringState {
    const { ranking = "instruction" } = reduction;
    const depth = sharesPrefixes(ranking)
      ? Math.min(to, unreducedLayers(schedule))
      : 0;
    const prompts = batch.map(forcedPrompt);
    const prefixes = store.prefixes(imagesOf(batch), prompts, depth);
    const state = backend.scope(() =>
      runDecoder(
        model,
        continuePrefixes(model, prefixes, prompts, {
          ...reduction,
          samples: batch.map(({ number }) => number),
        }),
        schedule,
        { ...reduction, from: depth, to },
      )
    );
    return { state, keep: schedule.keep.slice(0, to), reduction };
  }

  /** Moves the cached state of a batch to layer `to`, or computes it anew. */
  function advanceCache(
    batch: Batch,
    schedule: Schedule,
    to: number,
    reduction: ReductionOptions,
  ): void {
    const known = cached.get(batch);
    if (
      known && known.keep.length <= to &&
      sameRules(known.reduction, reduction) &&
      known.keep.every((keep, i) => keep === schedule.keep[i])
    ) {
      const from = known.keep.length;
      if (from === to) return;
      const state = runDecoder(model, known.state, schedule, {
        ...reduction,
        from,
        to,
      });
      replaceCache(batch, {
        state,
        keep: schedule.keep.slice(0, to),
        reduction,
      });
    } else {
      replaceCache(batch, enter(batch, schedule, to, reduction));
    }
  }

  function replaceCache(batch: Batch, entering: EnteringState): void {
    // Layers may return tensors of their input: position ids, raters, scores that
    // are not from attention.
    const kept = tensorsOf(entering.state);
    const old = cached.get(batch);
    if (old) {
      backend.free(
        tensorsOf(old.state).filter((tensor) => !kept.includes(tensor)),
      );
    }
    cached.set(batch, entering);
  }

  /** Logits of each token of the samples' answers of A, shape [B, A, V]. */
  function computeLogits(
    batch: Batch,
    schedule: Schedule,
    { fixedLayers, cache, reduction }: {
      readonly fixedLayers: number;
      readonly cache: boolean;
      readonly reduction: ReductionOptions;
    },
  ): Tensor {
    // The last layer computes only some rows, so its output is never cached.
    const fixed = Math.min(fixedLayers, last);
    const cacheable = cache && fixed > 0;
    if (cacheable) advanceCache(batch, schedule, fixed, reduction);
    const depth = Math.min(unreducedLayers(schedule), last);
    const { state, keep } = cacheable
      ? cached.get(batch)!
      : enter(batch, schedule, depth, reduction);
    try {
      const from = keep.length;
      return predictNextToken(model, state, schedule, { ...reduction, from });
    } finally {
      if (!cacheable) backend.free(tensorsOf(state));
    }
  }

  /** The contexts from which the model generates answers. */
  function startAnswers(
    batch: Batch,
    schedule: Schedule,
    reduction: ReductionOptions,
  ): Context {
    const prompts = batch.map(({ prompt }) => prompt);
    const numbers = batch.map(({ number }) => number);
    const visionTokens = store.visionTokens(imagesOf(batch));
    return backend.scope(() => {
      const state = embedPrompts(
        model,
        backend.concat(visionTokens, 0),
        prompts,
        reduction.ranking === "random" ? numbers : undefined,
      );
      return prefill(model, state, schedule, reduction);
    });
  }

  const run: RunBatch = async (
    place,
    { schedule: given, fixedLayers = 0, cache = true, generate, ...reduction },
  ) => {
    const batch = batches[place];
    const [{ image }] = batch;
    const N = images[image].length * model.config.visionTokens;
    const schedule = scaleSchedule(given, N);
    const options = { fixedLayers, cache, reduction };
    const logits = computeLogits(batch, schedule, options);
    const values = await backend.read(logits);
    backend.free([logits]);
    const generated = generate && await generateAnswers(
      model,
      startAnswers(batch, schedule, reduction),
      generate,
    );
    return batch.map(({ number, answer }, b) => ({
      index: number,
      ...scoreAnswer(values, b, model.config.decoder.vocabulary, answer),
      ...generated && { generated: generated[b] },
    }));
  };

  function free(): void {
    for (const { state } of cached.values()) backend.free(tensorsOf(state));
    cached.clear();
    store.free();
  }

  return { run, free };
}

function imagesOf(batch: Batch): number[] {
  return batch.map(({ image }) => image);
}

/** Layers before the first that reduces. */
function unreducedLayers({ keep, visionTokens }: Schedule): number {
  const first = keep.findIndex((count) => count < visionTokens);
  return first === -1 ? keep.length : first;
}

function sameRules(a: ReductionOptions, b: ReductionOptions): boolean {
  return a.ranking === b.ranking && a.positions === b.positions;
}

function tensorsOf(
  { hidden, positions, scores, raters }: DecoderState,
): (Tensor | Indices)[] {
  return [hidden, positions, scores ?? [], raters ?? []].flat();
}

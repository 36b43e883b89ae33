/**
 * Samples in batches of equal prompt length, so that they can run together.
 *
 * This module is browser compatible.
 */

import type { Prompt, RgbImage } from "../core/mod.ts";
import type { SampleResult } from "../search/evaluate.ts";

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

/**
 * Samples in batches of equal shape, so that they can run together.
 *
 * This module is browser compatible.
 */

import {
  type ModelConfig,
  type Prompt,
  promptLengths,
  type RgbImage,
} from "../core/mod.ts";

/** A question about an image, in tokens. */
export interface Sample {
  /** Which image of the set. */
  readonly image: number;
  /** What is asked. */
  readonly prompt: Prompt;
  /**
   * The tokens that answer it, at least one; with the one that ends an answer,
   * where the model was taught to say it.
   */
  readonly answer: readonly number[];
  /**
   * What results call it, and the seed of its random ranking; no two samples of
   * a set may share one. Default: its place in the set.
   */
  readonly number?: number;
}

/**
 * Questions about images. These may have different numbers of tiles and so of
 * vision tokens: evaluations take a schedule for the largest of these numbers
 * (`visionTokensOf`) and run each sample with the same keeping rates of its own
 * (`scaleSchedule`).
 */
export interface SampleSet {
  /** The tiles of each, of the model's size; at least one. */
  readonly images: readonly (readonly RgbImage[])[];
  /** Several may share an image. */
  readonly samples: readonly Sample[];
}

/** A sample that has its number. */
export type NumberedSample = Sample & { readonly number: number };

/** Samples of one shape that run together. At least one. */
export type Batch = readonly NumberedSample[];

/** Images and batches of questions about them. */
export interface BatchSet {
  /** As of a sample set. */
  readonly images: SampleSet["images"];
  /** Each run as a whole. */
  readonly batches: readonly Batch[];
}

/** N of a schedule for a sample set: the most vision tokens that an image has. */
export function visionTokensOf(
  { images }: Pick<SampleSet, "images">,
  { visionTokens }: ModelConfig,
): number {
  const tiles = images.reduce((most, { length }) => Math.max(most, length), 0);
  return tiles * visionTokens;
}

/** A sample's prompt, with all of the answer forced but its last token. */
export function forcedPrompt({ prompt, answer }: Sample): Prompt {
  return { ...prompt, forced: answer.slice(0, -1) };
}

/**
 * Batches in the order of their first samples, of one number of tiles each, and
 * one length of what stands before the image, of the instruction and of the
 * answer.
 *
 * @param size samples per batch, at most
 * @param vocabulary V, which answers are of
 * @throws {RangeError} a sample has no such image, an empty answer, a token
 * outside the vocabulary or the number of another; or `size` is below 1
 */
export function makeBatches(
  { images, samples }: SampleSet,
  size: number,
  vocabulary: number,
): Batch[] {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(
      `Cannot make batches as their size must be an integer of 1 or more: current value is ${size}`,
    );
  }
  const open = new Map<string, NumberedSample[]>();
  const batches: NumberedSample[][] = [];
  const numbers = new Set<number>();
  samples.forEach((unnumbered, place) => {
    const sample = { number: place, ...unnumbered };
    checkSample(sample, images.length, vocabulary);
    if (numbers.size === numbers.add(sample.number).size) {
      throw new RangeError(
        `Cannot evaluate samples as each must have a number of its own: ${sample.number} is that of two`,
      );
    }
    const tiles = images[sample.image].length;
    const shape = `${tiles}: ${promptLengths(forcedPrompt(sample))}`;
    let batch = open.get(shape);
    if (batch === undefined || batch.length === size) {
      batch = [];
      open.set(shape, batch);
      batches.push(batch);
    }
    batch.push(sample);
  });
  return batches;
}

function checkSample(
  { number, image, answer }: NumberedSample,
  images: number,
  vocabulary: number,
): void {
  const refuse = (requirement: string): never => {
    throw new RangeError(`Cannot evaluate sample ${number} as ${requirement}`);
  };
  const below = (value: number, end: number): boolean =>
    Number.isInteger(value) && value >= 0 && value < end;
  if (!below(image, images)) {
    refuse(
      `its image must be one of the ${images} of the set: current value is ${image}`,
    );
  }
  if (answer.length === 0) refuse("its answer must have a token");
  for (const token of answer) {
    if (!below(token, vocabulary)) {
      refuse(
        `a token of its answer must be an integer in [0, ${
          vocabulary - 1
        }]: current value is ${token}`,
      );
    }
  }
}

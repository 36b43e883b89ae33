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
  /** Index of its image in the set. */
  readonly image: number;
  /** The question. */
  readonly prompt: Prompt;
  /**
   * The tokens of the right answer, at least one. They include the end token if
   * the model was trained to generate it.
   */
  readonly answer: readonly number[];
  /**
   * Its number in results, and the seed of its random ranking. Numbers must be
   * unique in a set. Default: its index in the set.
   */
  readonly number?: number;
}

/**
 * Questions about images. Images may have different numbers of tiles and so of
 * vision tokens. An evaluation takes a schedule for the largest number
 * (`visionTokensOf`) and scales it to each sample by keeping rates
 * (`scaleSchedule`).
 */
export interface SampleSet {
  /** The tiles of each image, of the model's size; at least one. */
  readonly images: readonly (readonly RgbImage[])[];
  /** Several may share an image. */
  readonly samples: readonly Sample[];
}

/** A sample with its number. */
export type NumberedSample = Sample & { readonly number: number };

/** Samples of one shape that run together. At least one. */
export type Batch = readonly NumberedSample[];

/** Images and batches of questions about them. */
export interface BatchSet {
  /** As in a sample set. */
  readonly images: SampleSet["images"];
  /** Each batch runs as a whole. */
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

/** A sample's prompt; all tokens of the answer but the last are forced. */
export function forcedPrompt({ prompt, answer }: Sample): Prompt {
  return { ...prompt, forced: answer.slice(0, -1) };
}

/**
 * Groups samples of equal shape into batches, in the order of their first
 * samples. Shape means the number of tiles and the lengths of the system prompt,
 * the instruction and the answer.
 *
 * @param size samples per batch, at most
 * @param vocabulary V
 * @throws {RangeError} a sample has an image index out of range, an empty answer,
 * a token outside the vocabulary or the number of another sample; or `size` is
 * below 1
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

/**
 * What evaluations know of each image: its vision tokens, and what becomes of
 * them in the decoder before the first layer that reduces. Neither depends on
 * what is asked.
 *
 * This module is browser compatible.
 */

import {
  type Backend,
  embedTiles,
  type Indices,
  type Prefix,
  prefixTensors,
  type Prompt,
  runPrefix,
  type Tensor,
  unscaledLength,
  type VisionLanguageModel,
  wordsAfterImage,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";

/** Bytes of vision tokens, and of prefixes, that are kept for later use. */
const MOST_BYTES = 2 ** 28;

/** Images, and what was computed of them. */
export interface ImageStore {
  /**
   * Vision tokens, shape [1, N, D] each, to be used before the next call.
   *
   * @param images by their places in the store
   */
  visionTokens(images: readonly number[]): Tensor[];
  /**
   * System and vision tokens as they enter layer `depth`, to be used before the
   * next call.
   *
   * @param images by their places in the store, of equally many tiles
   * @param prompts what is asked about each, of equal lengths
   */
  prefixes(
    images: readonly number[],
    prompts: readonly Prompt[],
    depth: number,
  ): Prefix[];
  /** Frees all of it. */
  free(): void;
}

/** Starts with nothing computed. */
export function createImageStore(
  model: VisionLanguageModel,
  images: SampleSet["images"],
): ImageStore {
  const { backend } = model;
  const visionTokens = new Recent<number, Tensor>(
    backend,
    (tokens) => [tokens],
  );
  const prefixes = new Recent<string, Prefix>(backend, prefixTensors);

  function visionTokensOf(image: number): Tensor {
    return visionTokens.get(image) ??
      visionTokens.set(image, embedTiles(model, [images[image]]));
  }

  /** Whether tokens turn alike in sequences of these lengths. */
  function sameFrequencies(a: number, b: number): boolean {
    const unscaled = unscaledLength(model.config.decoder.rope);
    return a === b || Math.max(a, b) <= unscaled;
  }

  function prefixOf(
    image: number,
    prompt: Prompt,
    depth: number,
  ): Prefix {
    const { before } = prompt;
    const tokens = visionTokensOf(image);
    const words = before.length + wordsAfterImage(prompt).length;
    const length = words + tokens.shape[1];
    const key = `${image} after ${before}`;
    const known = prefixes.get(key);
    if (known?.past.length === depth && sameFrequencies(known.length, length)) {
      return known;
    }
    const options = { before, length, depth };
    return prefixes.set(key, runPrefix(model, tokens, options));
  }

  return {
    visionTokens(places) {
      visionTokens.trim(MOST_BYTES);
      return places.map(visionTokensOf);
    },
    prefixes(places, prompts, depth) {
      // Not later, for what is asked for now must stay.
      visionTokens.trim(MOST_BYTES);
      prefixes.trim(MOST_BYTES);
      return places.map((image, i) => prefixOf(image, prompts[i], depth));
    },
    free() {
      visionTokens.trim(0);
      prefixes.trim(0);
    },
  };
}

/** Values by key; those used least lately are the first to go. */
class Recent<K, T> {
  readonly #backend: Backend;
  readonly #tensorsOf: (value: T) => readonly (Tensor | Indices)[];
  /** In the order of their last use. */
  readonly #values = new Map<K, T>();
  #bytes = 0;

  constructor(
    backend: Backend,
    tensorsOf: (value: T) => readonly (Tensor | Indices)[],
  ) {
    this.#backend = backend;
    this.#tensorsOf = tensorsOf;
  }

  get(key: K): T | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  set(key: K, value: T): T {
    this.#drop(key);
    this.#values.set(key, value);
    this.#bytes += this.#bytesOf(value);
    return value;
  }

  /** Frees values until the rest takes no more than so many bytes. */
  trim(most: number): void {
    for (const key of this.#values.keys()) {
      if (this.#bytes <= most) return;
      this.#drop(key);
    }
  }

  #drop(key: K): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#bytes -= this.#bytesOf(value);
    this.#backend.free(this.#tensorsOf(value));
  }

  #bytesOf(value: T): number {
    return this.#tensorsOf(value).reduce(
      (sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1),
      0,
    );
  }
}

/**
 * Caches per image: its vision tokens, and its prefix at the input of the first
 * layer that reduces. Neither depends on the question.
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

/** The most bytes of cached vision tokens, and of cached prefixes. */
const MOST_BYTES = 2 ** 28;

/** Images with their caches. */
export interface ImageStore {
  /**
   * Vision tokens, shape [1, N, D] each. They may be freed by the next call.
   *
   * @param images indices of images
   */
  visionTokens(images: readonly number[]): Tensor[];
  /**
   * System and vision tokens at the input of layer `depth`. They may be freed by
   * the next call.
   *
   * @param images indices of images with equal numbers of tiles
   * @param prompts a question about each, of equal lengths
   */
  prefixes(
    images: readonly number[],
    prompts: readonly Prompt[],
    depth: number,
  ): Prefix[];
  /** Frees all cached tensors. */
  free(): void;
}

/** Starts with empty caches. */
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

  /** Whether sequences of these lengths have the same rotary frequencies. */
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
      // Before the look-ups: tensors of this call must not be freed.
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

/** A cache that drops the least recently used values first. */
class Recent<K, T> {
  readonly #backend: Backend;
  readonly #tensorsOf: (value: T) => readonly (Tensor | Indices)[];
  /** In order of last use. */
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

  /** Frees values until the rest takes at most `most` bytes. */
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

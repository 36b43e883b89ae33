/**
 * From the names and shapes of a checkpoint to tensors on a backend. Which
 * weights a part needs stands in that part's file; here they are looked up,
 * checked, uploaded, and all that is wrong is said at once.
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor, Weight } from "./backend.ts";
import type { TensorStore } from "./safetensors.ts";

/** Parts of a checkpoint. */
export type Part = "vision" | "projector" | "decoder" | "head";

/**
 * Prefixes that name the same part in checkpoints of different transformers
 * versions: as saved by version 5, as saved before 4.52, and as the class
 * itself has called its parts since then.
 */
const PREFIXES: Readonly<Record<Part, readonly string[]>> = {
  vision: [
    "vision_tower.",
    "vision_tower.vision_model.",
    "model.vision_tower.",
    "model.vision_tower.vision_model.",
  ],
  projector: ["multi_modal_projector.", "model.multi_modal_projector."],
  decoder: ["language_model.model.", "model.language_model."],
  head: ["language_model.lm_head.", "lm_head."],
};

/** Loads named weights onto a backend and keeps account of them. */
export class WeightLoader {
  readonly #backend: Backend;
  readonly #store: TensorStore;
  readonly #label: string;
  readonly #problems: string[] = [];

  /**
   * Starts an account with nothing loaded.
   *
   * @param backend where the weights go
   * @param store the checkpoint
   * @param label what error messages call it, such as its directory
   */
  constructor(backend: Backend, store: TensorStore, label: string) {
    this.#backend = backend;
    this.#store = store;
    this.#label = label;
  }

  /**
   * A tensor of the given shape, uploaded as shape `as` (the same values in the
   * same order). One that is missing or misshapen is noted for `finish`, and a
   * zero stands in for it, so that all problems come to light.
   */
  async load(
    part: Part,
    name: string,
    shape: readonly number[],
    as: readonly number[] = shape,
  ): Promise<Tensor> {
    const data = await this.#read(part, name, shape);
    return data === null
      ? this.#backend.upload(new Float32Array(1), [1])
      : this.#backend.upload(data, as);
  }

  /**
   * The same for the weight of a linear layer; `as` is [O, I].
   *
   * @throws {RangeError} the backend cannot store it; the message names it
   */
  async loadWeight(
    part: Part,
    name: string,
    shape: readonly number[],
    as: readonly number[] = shape,
  ): Promise<Weight> {
    const data = await this.#read(part, name, shape);
    try {
      return data === null
        ? this.#backend.uploadWeight(new Float32Array(1), [1, 1])
        : this.#backend.uploadWeight(data, as);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RangeError(
        `Cannot use ${name} of ${this.#label}: ${error.message}`,
        { cause: error },
      );
    }
  }

  /** The values, or null where there is a problem, which is noted. */
  async #read(
    part: Part,
    name: string,
    shape: readonly number[],
  ): Promise<Float32Array | null> {
    const full = PREFIXES[part].map((prefix) => prefix + name)
      .find((candidate) => this.#store.tensors.has(candidate));
    const found = full && this.#store.tensors.get(full)!.shape;
    if (full === undefined) {
      this.#problems.push(`${PREFIXES[part][0]}${name} [${shape}] is missing`);
    } else if (String(found) !== String(shape)) {
      this.#problems.push(
        `${full} must have shape [${shape}]: current shape is [${found}]`,
      );
    } else {
      return await this.#store.read(full);
    }
    return null;
  }

  /**
   * To be called once everything is loaded.
   *
   * @throws {TypeError} weights were missing or misshapen, all listed by name
   */
  finish(): void {
    if (this.#problems.length > 0) {
      throw new TypeError(
        `Cannot use ${this.#label} as ${this.#problems.join("; ")}`,
      );
    }
  }
}

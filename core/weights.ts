/**
 * From the names and shapes of a checkpoint to tensors on a backend. Which
 * weights a part needs stands in that part's file; here they are looked up,
 * checked, uploaded, and all that is wrong is said at once.
 *
 * One tensor of the checkpoint is held at a time, besides those that hold
 * several weights: they are read once and kept until the last one is taken.
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor, Weight } from "./backend.ts";
import type { NormType } from "./config.ts";
import type { Linear, Norm } from "./layers.ts";
import {
  type CheckpointNames,
  type FusedRows,
  locate,
  type Part,
  rowSpans,
  type WeightPlace,
} from "./names.ts";
import type { TensorStore } from "./safetensors.ts";

/** What to load. */
export interface WeightSource {
  /** The checkpoint. */
  readonly store: TensorStore;
  /** Its names. */
  readonly names: CheckpointNames;
  /** What error messages call it, such as its directory. */
  readonly label: string;
}

/** How to load a linear layer. */
export interface LinearLoad {
  /** Whether it has a bias. Default true. */
  readonly bias?: boolean;
  /** The weight's shape in the checkpoint, where it is not [O, I]. */
  readonly stored?: readonly number[];
  /** Multiplies the outputs, shape [O]: folded into weight and bias. */
  readonly scale?: Float32Array | null;
}

/** Loads named weights onto a backend and keeps account of them. */
export class WeightLoader {
  readonly #backend: Backend;
  readonly #source: WeightSource;
  readonly #problems: string[] = [];
  /** Tensors that were looked up, or need not be. */
  readonly #known = new Set<string>();
  /** Tensors of several weights, and how many are yet to be taken. */
  readonly #held = new Map<string, { data: Float32Array; left: number }>();

  /** Starts an account with nothing loaded. */
  constructor(backend: Backend, source: WeightSource) {
    this.#backend = backend;
    this.#source = source;
  }

  /** Whether the checkpoint has the tensor. */
  has(part: Part, name: string): boolean {
    return this.#find(part, name).found;
  }

  /**
   * Values of the given shape. Where there is a problem it is noted for
   * `finish`, and null stands in for them.
   */
  async values(
    part: Part,
    name: string,
    shape: readonly number[],
  ): Promise<Float32Array | null> {
    const { found, tensor, rows } = this.#find(part, name);
    const { store } = this.#source;
    const stored = rows ? fusedShape(shape, rows) : shape;
    if (!found) {
      this.#note(tensor, `${tensor} [${stored}] is missing`);
      return null;
    }
    const current = store.tensors.get(tensor)!.shape;
    if (String(current) !== String(stored)) {
      this.#note(
        tensor,
        `${tensor} must have shape [${stored}]: current shape is [${current}]`,
      );
      return null;
    }
    this.#known.add(tensor);
    return rows
      ? this.#take(await this.#hold(tensor, rows), stored[0], rows)
      : await store.read(tensor);
  }

  /**
   * A tensor of the given shape, uploaded as shape `as` (the same values in the
   * same order). A zero stands in for one with a problem, so that all problems
   * come to light.
   */
  async tensor(
    part: Part,
    name: string,
    shape: readonly number[],
    as: readonly number[] = shape,
  ): Promise<Tensor> {
    return this.#upload(await this.values(part, name, shape), as);
  }

  /**
   * The same for the weight of a linear layer, of shape [O, I].
   *
   * @throws {RangeError} the backend cannot store it; the message names it
   */
  async weight(
    part: Part,
    name: string,
    shape: readonly number[],
  ): Promise<Weight> {
    const data = await this.values(part, name, shape);
    return this.#uploadWeight(name, data, shape);
  }

  /** A linear layer from I to O values. */
  async linear(
    part: Part,
    name: string,
    [O, I]: readonly [number, number],
    { bias = true, stored = [O, I], scale = null }: LinearLoad = {},
  ): Promise<Linear> {
    const load = async (
      ending: "weight" | "bias",
      shape: readonly number[],
    ): Promise<Float32Array | null> => {
      const values = await this.values(part, `${name}.${ending}`, shape);
      return values && scale ? scaled(values, scale) : values;
    };
    return {
      weight: this.#uploadWeight(name, await load("weight", stored), [O, I]),
      bias: bias ? this.#upload(await load("bias", [O]), [O]) : null,
    };
  }

  /** A LayerNorm or an RMSNorm over D values. */
  async norm(
    part: Part,
    name: string,
    D: number,
    type: NormType,
  ): Promise<Norm> {
    return {
      weight: await this.tensor(part, `${name}.weight`, [D]),
      bias: type === "layer"
        ? await this.tensor(part, `${name}.bias`, [D])
        : null,
    };
  }

  /** Notes that the model does without a layer that the checkpoint has. */
  skipLayer(part: Part, layer: number): void {
    const names = this.#source.names[part];
    for (const name of Object.keys(names.names)) {
      if (!name.startsWith("layers.*.")) continue;
      for (const ending of [".weight", ".bias"]) {
        const numbered = name.replace("*", `${layer}`) + ending;
        for (const { tensor } of locate(names, numbered)) {
          this.#known.add(tensor);
          this.#known.add(tensor.slice(0, -ending.length));
        }
      }
    }
  }

  /**
   * To be called once everything is loaded.
   *
   * @throws {TypeError} weights were missing or misshapen, or there are some
   *   that no part of the model wants; all listed by name
   */
  finish(): void {
    const { store, names, label } = this.#source;
    for (const [name, { shape }] of store.tensors) {
      const wanted = this.#known.has(name) ||
        names.ignored.some((pattern) => pattern.test(name));
      if (!wanted) this.#note(name, `${name} [${shape}] is unexpected`);
    }
    if (this.#problems.length > 0) {
      throw new TypeError(
        `Cannot use ${label} as ${this.#problems.join("; ")}`,
      );
    }
  }

  /** Where a weight is; where it would be, if it is missing. */
  #find(part: Part, name: string): WeightPlace & { found: boolean } {
    const { store, names } = this.#source;
    const places = locate(names[part], name);
    const place = places.find(({ tensor }) => store.tensors.has(tensor));
    return { ...(place ?? places[0]), found: place !== undefined };
  }

  /** Notes a problem, of each tensor the first. */
  #note(tensor: string, problem: string): void {
    if (!this.#known.has(tensor)) this.#problems.push(problem);
    this.#known.add(tensor);
  }

  /** A tensor of several weights, for one of them. */
  async #hold(tensor: string, { shares }: FusedRows): Promise<Float32Array> {
    const held = this.#held.get(tensor) ?? {
      data: await this.#source.store.read(tensor),
      left: shares.length,
    };
    held.left--;
    if (held.left > 0) this.#held.set(tensor, held);
    else this.#held.delete(tensor);
    return held.data;
  }

  /** One weight of a tensor of `count` rows that holds several. */
  #take(data: Float32Array, count: number, rows: FusedRows): Float32Array {
    const width = data.length / count;
    const parts = [...rowSpans(rows, count)].map(({ start, length }) =>
      data.subarray(start * width, (start + length) * width)
    );
    if (parts.length === 1) return parts[0];
    const out = new Float32Array(parts.length * parts[0].length);
    parts.forEach((part, i) => out.set(part, i * part.length));
    return out;
  }

  #upload(data: Float32Array | null, shape: readonly number[]): Tensor {
    return data
      ? this.#backend.upload(data, shape)
      : this.#backend.upload(new Float32Array(1), [1]);
  }

  #uploadWeight(
    name: string,
    data: Float32Array | null,
    shape: readonly number[],
  ): Weight {
    if (data === null) {
      return this.#backend.uploadWeight(new Float32Array(1), [1, 1]);
    }
    try {
      return this.#backend.uploadWeight(data, shape);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RangeError(
        `Cannot use ${name} of ${this.#source.label}: ${error.message}`,
        { cause: error },
      );
    }
  }
}

/** The shape of the tensor that holds a weight of shape [O, ..] among others. */
function fusedShape(
  [O, ...rest]: readonly number[],
  { shares, index }: FusedRows,
): number[] {
  const all = shares.reduce((sum, share) => sum + share, 0);
  return [O / shares[index] * all, ...rest];
}

/** Rows multiplied by a number each, in a copy: others may hold what was read. */
function scaled(values: Float32Array, scale: Float32Array): Float32Array {
  const out = values.slice();
  const width = out.length / scale.length;
  scale.forEach((factor, row) => {
    for (let i = row * width; i < (row + 1) * width; i++) out[i] *= factor;
  });
  return out;
}

/**
 * From the tensors of a checkpoint to tensors on a backend. The file of each part
 * of the model lists the weights that it needs. This file looks them up, checks
 * them, uploads them, and reports all problems in one error.
 *
 * Weights are read in blocks of a few megabytes, and the next block is read while
 * the current one is uploaded. So little memory is needed for a tensor of any
 * size.
 *
 * This module is browser compatible.
 */

import type { Backend, RowUpload, Span, Tensor, Weight } from "../backend.ts";
import type { NormType } from "../config.ts";
import type { Linear, Norm } from "../layers.ts";
import {
  type CheckpointNames,
  type FusedRows,
  locate,
  type Part,
  rowSpans,
  type WeightPlace,
} from "./names.ts";
import { sizeOf } from "../sizes.ts";
import type { TensorStore } from "./safetensors.ts";

/** The source of weights. */
export interface WeightSource {
  /** The checkpoint. */
  readonly store: TensorStore;
  /** Its names. */
  readonly names: CheckpointNames;
  /** Its name in error messages, such as its directory. */
  readonly label: string;
}

/** How to load a linear layer. */
export interface LinearLoad {
  /** Whether it has a bias. Default true. */
  readonly bias?: boolean;
  /** The weight's shape in the checkpoint. Default [O, I]. */
  readonly stored?: readonly number[];
  /** A factor for each output, shape [O], folded into weight and bias. */
  readonly scale?: Float32Array | null;
}

/** Loads named weights onto a backend, and records which names were used. */
export class WeightLoader {
  readonly #backend: Backend;
  readonly #source: WeightSource;
  readonly #problems: string[] = [];
  /** Tensors that were looked up or skipped. */
  readonly #known = new Set<string>();

  /** Starts with nothing loaded. */
  constructor(backend: Backend, source: WeightSource) {
    this.#backend = backend;
    this.#source = source;
  }

  /** Whether the checkpoint has the tensor. */
  has(part: Part, name: string): boolean {
    return this.#find(part, name).found;
  }

  /**
   * Values of the given shape. If there is a problem, it is noted for `finish`,
   * and the result is null.
   */
  async values(
    part: Part,
    name: string,
    shape: readonly number[],
  ): Promise<Float32Array | null> {
    const place = this.#check(part, name, shape);
    if (place === null) return null;
    const out = new Float32Array(sizeOf(shape));
    let at = 0;
    for await (const rows of this.#read(place, shape)) {
      out.set(rows, at);
      at += rows.length;
    }
    return out;
  }

  /**
   * A tensor of the given shape, uploaded as shape `as` (the same values in the
   * same order). If there is a problem, a zero takes its place, so that loading
   * continues and finds all problems.
   */
  async tensor(
    part: Part,
    name: string,
    shape: readonly number[],
    as: readonly number[] = shape,
  ): Promise<Tensor> {
    const place = this.#check(part, name, shape);
    if (place === null) return this.#backend.upload(new Float32Array(1), [1]);
    const upload = this.#backend.uploadRows(as);
    for await (const rows of this.#read(place, shape)) upload.write(rows);
    return upload.tensor;
  }

  /**
   * The same for the weight of a linear layer, of shape [O, I].
   *
   * @throws {RangeError} the backend cannot store it; the message names it
   */
  async weight(
    part: Part,
    name: string,
    [O, I]: readonly [number, number],
    { stored = [O, I], scale = null }: LinearLoad = {},
  ): Promise<Weight> {
    const place = this.#check(part, name, stored);
    if (place === null) {
      return this.#backend.uploadWeight(new Float32Array(1), [1, 1]);
    }
    const upload = this.#backend.uploadWeightRows([O, I]);
    let row = 0;
    for await (const rows of this.#read(place, stored)) {
      if (scale) scaleRows(rows, scale.subarray(row), I);
      this.#store(upload, rows, place.tensor);
      row += rows.length / I;
    }
    return upload.tensor;
  }

  /** A linear layer from I to O values. */
  async linear(
    part: Part,
    name: string,
    [O, I]: readonly [number, number],
    options: LinearLoad = {},
  ): Promise<Linear> {
    const weight = await this.weight(
      part,
      `${name}.weight`,
      [O, I],
      options,
    );
    const { bias = true, scale } = options;
    if (!bias) return { weight, bias: null };
    const values = await this.values(part, `${name}.bias`, [O]);
    if (values && scale) scaleRows(values, scale, 1);
    return {
      weight,
      bias: values
        ? this.#backend.upload(values, [O])
        : this.#backend.upload(new Float32Array(1), [1]),
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

  /** Notes that the model does not use a layer of the checkpoint. */
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
   * Reports all problems. To be called after everything was loaded.
   *
   * @throws {TypeError} weights were missing or had another shape, or the
   *   checkpoint has tensors that the model does not use; listed by name
   */
  finish(): void {
    const { store, names, label } = this.#source;
    for (const [name, { shape }] of store.tensors) {
      const wanted = this.#known.has(name) ||
        names.ignored.some((pattern) => pattern.test(name));
      if (!wanted) this.#note(name, `${name} [${shape}] is unexpected`);
    }
    const rest = this.#problems.length - MOST_LISTED;
    const listed = this.#problems.slice(0, MOST_LISTED);
    if (rest > 0) listed.push(`and ${rest} more`);
    if (listed.length > 0) {
      throw new TypeError(`Cannot use ${label} as ${listed.join("; ")}`);
    }
  }

  /** The place of a weight; if it is missing, its most common place. */
  #find(part: Part, name: string): WeightPlace & { found: boolean } {
    const { store, names } = this.#source;
    const places = locate(names[part], name);
    const place = places.find(({ tensor }) => store.tensors.has(tensor));
    return { ...(place ?? places[0]), found: place !== undefined };
  }

  /** Notes a problem; only the first problem of each tensor counts. */
  #note(tensor: string, problem: string): void {
    if (!this.#known.has(tensor)) this.#problems.push(problem);
    this.#known.add(tensor);
  }

  /** The place of a weight. If there is a problem, notes it and returns null. */
  #check(
    part: Part,
    name: string,
    shape: readonly number[],
  ): WeightPlace | null {
    const { found, ...place } = this.#find(part, name);
    const { tensor, rows } = place;
    const stored = rows ? fusedShape(shape, rows) : shape;
    if (!found) {
      this.#note(tensor, `${tensor} [${stored}] is missing`);
      return null;
    }
    const current = this.#source.store.tensors.get(tensor)!.shape;
    if (String(current) !== String(stored)) {
      this.#note(
        tensor,
        `${tensor} must have shape [${stored}]: current shape is [${current}]`,
      );
      return null;
    }
    this.#known.add(tensor);
    return place;
  }

  /** The rows of a weight of the given shape, in pieces of whole rows. */
  async *#read(
    { tensor, rows }: WeightPlace,
    shape: readonly number[],
  ): AsyncGenerator<Float32Array, void> {
    const { store } = this.#source;
    const [O, ...rest] = shape;
    const count = Math.max(1, Math.floor(PIECE / sizeOf(rest)));
    const spans = rows
      ? rowSpans(rows, fusedShape(shape, rows)[0])
      : [{ start: 0, length: O }];
    const pieces = [...spans].flatMap((span) => split(span, count));
    let next = store.read(tensor, pieces[0]);
    for (let i = 0; i < pieces.length; i++) {
      const rows = await next;
      if (i + 1 < pieces.length) {
        next = store.read(tensor, pieces[i + 1]);
        // If this generator ends early, nobody awaits `next`.
        next.catch(() => {});
      }
      yield rows;
    }
  }

  #store(
    upload: RowUpload<Weight>,
    rows: Float32Array,
    tensor: string,
  ): void {
    try {
      upload.write(rows);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RangeError(
        `Cannot use ${tensor} of ${this.#source.label}: ${error.message}`,
        { cause: error },
      );
    }
  }
}

/** Numbers that are read at once: 2 MiB in 16 bits. */
const PIECE = 1 << 20;

/** Problems that an error lists. */
const MOST_LISTED = 20;

/** Consecutive spans of at most `count` rows. */
function split({ start, length }: Span, count: number): Span[] {
  const spans: Span[] = [];
  for (let done = 0; done < length; done += count) {
    spans.push({ start: start + done, length: Math.min(count, length - done) });
  }
  return spans;
}

/** The shape of the tensor that stacks a weight of shape [O, ..] with others. */
function fusedShape(
  [O, ...rest]: readonly number[],
  { shares, index }: FusedRows,
): number[] {
  const all = shares.reduce((sum, share) => sum + share, 0);
  return [O / shares[index] * all, ...rest];
}

/** Multiplies each row by its number. */
function scaleRows(
  rows: Float32Array,
  scale: Float32Array,
  width: number,
): void {
  for (let row = 0; row * width < rows.length; row++) {
    const factor = scale[row];
    for (let i = row * width; i < (row + 1) * width; i++) rows[i] *= factor;
  }
}

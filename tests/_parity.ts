/** An operation on some backend against the same on the reference. */

import type { Backend, Indices, Tensor } from "../core/mod.ts";
import { assertClose, type Tolerance } from "./_compare.ts";
import { randomFloats, seededRandom } from "./_random.ts";
import { reference } from "./_reference.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

/** Makes inputs on a backend, the same ones for the same seed. */
export class Inputs {
  readonly backend: Backend;
  readonly #random: () => number;

  constructor(backend: Backend, seed: number) {
    this.backend = backend;
    this.#random = seededRandom(seed);
  }

  /** Uniform in [−scale, scale). */
  floats(shape: readonly number[], scale = 1): Tensor {
    const data = randomFloats(this.#random, size(shape)).map((x) => scale * x);
    return this.backend.upload(data, shape);
  }

  /** Uniform in [0, 1), but for those that are 0. */
  weights(shape: readonly number[]): Tensor {
    const data = randomFloats(this.#random, size(shape));
    return this.backend.upload(data.map((x) => Math.max(0, x)), shape);
  }

  /** The given numbers. */
  tensor(shape: readonly number[], values: Iterable<number>): Tensor {
    return this.backend.upload(Float32Array.from(values), shape);
  }

  /** The given integers. */
  indices(shape: readonly number[], values: Iterable<number>): Indices {
    return this.backend.upload(Int32Array.from(values), shape);
  }

  /** Uniform integers in [0, end). */
  integers(shape: readonly number[], end: number): Indices {
    return this.indices(shape, this.#wholeNumbers(shape, end));
  }

  /** The same as floats: their sums are exact on every backend. */
  wholeFloats(shape: readonly number[], end: number): Tensor {
    return this.tensor(shape, this.#wholeNumbers(shape, end));
  }

  #wholeNumbers(shape: readonly number[], end: number): number[] {
    return Array.from(
      { length: size(shape) },
      () => Math.floor(this.#random() * end),
    );
  }

  /** For each of B rows, S ascending position ids with gaps up to `gap` − 1. */
  positions(B: number, S: number, gap: number): Indices {
    const values: number[] = [];
    for (let b = 0; b < B; b++) {
      let next = 0;
      for (let s = 0; s < S; s++) {
        values.push(next);
        next += 1 + Math.floor(this.#random() * gap);
      }
    }
    return this.indices([B, S], values);
  }

  /** For each of B rows, k different row numbers of N, in any order. */
  rows(B: number, N: number, k: number): Indices {
    const values: number[] = [];
    for (let b = 0; b < B; b++) {
      const all = Array.from({ length: N }, (_, n) => n);
      for (let i = 0; i < k; i++) {
        values.push(
          ...all.splice(Math.floor(this.#random() * all.length), 1),
        );
      }
    }
    return this.indices([B, k], values);
  }
}

const size = (shape: readonly number[]): number =>
  shape.reduce((product, n) => product * n, 1);

/**
 * Runs an operation on a backend under test and on the reference, or one with
 * weights of the same type, and compares.
 */
export async function assertSame(
  backend: Backend,
  seed: number,
  operation: (inputs: Inputs) => Tensor | Indices,
  tolerance: Tolerance = F32_TOLERANCES.operation,
  oracle: Backend = reference,
): Promise<void> {
  const run = async (backend: Backend) => {
    const x = backend.scope(() => operation(new Inputs(backend, seed)));
    const values = x.type === "float"
      ? await backend.read(x)
      : await backend.read(x);
    backend.free([x]);
    return { shape: [...x.shape], values, type: x.type };
  };
  const expected = await run(oracle);
  const actual = await run(backend);
  assertClose(actual.shape, expected.shape, {}, "shape");
  assertClose(
    actual.values,
    expected.values,
    actual.type === "float" ? tolerance : {},
  );
}

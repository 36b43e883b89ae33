/**
 * Tensors of the GPU backend: shapes over buffers.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor, Weight } from "../core/backend.ts";
import { sizeOf } from "../core/sizes.ts";
import { Scopes } from "../core/scopes.ts";
import type { BufferPool } from "./buffers.ts";

/** What a tensor can hold; see `Tensor`, `Indices` and `Weight`. */
export type Content = (Tensor | Indices | Weight)["type"];

/** A tensor of this backend: a shape over a buffer. */
export class GpuTensor<T extends Content = Content> {
  /** What it holds. */
  readonly type: T;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Where its values are; null once it is freed, or where they are in parts. */
  buffer: GPUBuffer | null;
  /**
   * Consecutive rows each, where all of them are more than a kernel may bind.
   * Only `linear` and `embed` read such tensors.
   */
  readonly parts: readonly GpuTensor<T>[];

  /** Names a buffer, or parts, that were made for it. */
  constructor(
    type: T,
    shape: readonly number[],
    buffer: GPUBuffer | null,
    parts: readonly GpuTensor<T>[] = [],
  ) {
    this.type = type;
    this.shape = shape;
    this.buffer = buffer;
    this.parts = parts;
  }
}

/**
 * Where the values of a tensor are.
 *
 * @throws {TypeError} it was freed, another backend made it, or its values are
 *   in parts
 */
export function bufferOf(x: Tensor | Indices | Weight): GPUBuffer {
  const { buffer } = x as GpuTensor;
  if (!buffer) {
    throw new TypeError(
      `Cannot use a tensor as it must be one of this backend that was not freed and fits into one binding: current shape is [${x.shape}]`,
    );
  }
  return buffer;
}

/** Rows of a tensor from `start` on that one kernel can bind. */
export interface Part<T extends Content> {
  /** The first of its rows. */
  readonly start: number;
  /** The rows. */
  readonly rows: GpuTensor<T>;
}

/** The parts of a tensor: itself, for all but very large ones. */
export function partsOf<T extends Content>(
  x: { readonly type: T; readonly shape: readonly number[] },
): Part<T>[] {
  const tensor = x as GpuTensor<T>;
  const parts = tensor.parts.length ? tensor.parts : [tensor];
  let start = 0;
  return parts.map((rows) => {
    const part = { start, rows };
    start += rows.shape[0];
    return part;
  });
}

/** Makes and frees tensors, by hand and by scope. */
export class TensorPool {
  readonly #buffers: BufferPool;
  readonly #bindable: number;
  readonly #scopes: Scopes<GpuTensor> = new Scopes(
    (value) => value instanceof GpuTensor,
    (x) => this.free(x),
  );

  /**
   * Starts empty.
   *
   * @param bindable the largest buffer that a kernel may bind, in bytes
   */
  constructor(buffers: BufferPool, bindable: number) {
    this.#buffers = buffers;
    this.#bindable = bindable;
  }

  /**
   * A tensor for a kernel to write, with values left over from earlier uses of
   * its buffer. Every value takes 4 bytes.
   */
  make<T extends Content>(type: T, shape: readonly number[]): GpuTensor<T> {
    const buffer = this.#buffers.take(4 * sizeOf(shape));
    return this.#add(new GpuTensor(type, shape, buffer));
  }

  /**
   * A tensor for the host to write, in parts if it must be.
   *
   * @param rowBytes bytes that one index of the first dimension takes
   */
  makeForHost<T extends Content>(
    type: T,
    shape: readonly number[],
    rowBytes: number,
  ): GpuTensor<T> {
    const [rows] = shape;
    const each = Math.max(1, Math.floor(this.#bindable / rowBytes));
    const part = (count: number): GpuTensor<T> => {
      const buffer = this.#buffers.take(count * rowBytes, true);
      return new GpuTensor(type, [count, ...shape.slice(1)], buffer);
    };
    if (rows <= each) return this.#add(part(rows));
    const parts: GpuTensor<T>[] = [];
    for (let start = 0; start < rows; start += each) {
      parts.push(part(Math.min(each, rows - start)));
    }
    return this.#add(new GpuTensor(type, shape, null, parts));
  }

  /** Gives back the buffers of a tensor; freeing it again does nothing. */
  free(x: GpuTensor): void {
    for (const part of x.parts) this.free(part);
    if (x.buffer) this.#buffers.give(x.buffer);
    x.buffer = null;
  }

  /** See `Backend.scope`. */
  scope<T>(body: () => T): T {
    return this.#scopes.run(body);
  }

  #add<T extends Content>(x: GpuTensor<T>): GpuTensor<T> {
    this.#scopes.add(x);
    return x;
  }
}

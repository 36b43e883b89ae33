/**
 * The tensors of the GPU backend: shapes of values in buffers.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor, Weight } from "../core/backend.ts";
import { Scopes } from "../core/scopes.ts";
import { sizeOf } from "../core/sizes.ts";
import type { BufferPool } from "./buffers.ts";

/** The type of a tensor's content; see `Tensor`, `Indices` and `Weight`. */
export type Content = (Tensor | Indices | Weight)["type"];

/** A tensor of this backend. */
export class GpuTensor<T extends Content = Content> {
  /** The type of its content. */
  readonly type: T;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** The buffer of its values. Null if it is freed or has parts. */
  buffer: GPUBuffer | null;
  /**
   * Consecutive rows in a buffer each, for a tensor that exceeds the limit of a
   * binding. Only `linear` and `embed` read such tensors.
   */
  readonly parts: readonly GpuTensor<T>[];

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
 * The buffer of a tensor's values.
 *
 * @throws {TypeError} it is freed, of another backend, or in parts
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

/** Consecutive rows of a tensor that a kernel can bind. */
export interface Part<T extends Content> {
  /** The number of the first row. */
  readonly start: number;
  /** The rows. */
  readonly rows: GpuTensor<T>;
}

/** The parts of a tensor. One that fits into a binding is its only part. */
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

/** Makes tensors, and frees them one by one or by scope. */
export class TensorPool {
  readonly #buffers: BufferPool;
  readonly #bindable: number;
  readonly #scopes: Scopes<GpuTensor> = new Scopes(
    (value) => value instanceof GpuTensor,
    (x) => this.free(x),
  );

  /**
   * Starts without tensors.
   *
   * @param bindable the size of the largest buffer that a kernel may bind, in
   *   bytes
   */
  constructor(buffers: BufferPool, bindable: number) {
    this.#buffers = buffers;
    this.#bindable = bindable;
  }

  /**
   * A tensor for a kernel to write. Its buffer holds values of earlier uses.
   * Each value takes 4 bytes.
   */
  make<T extends Content>(type: T, shape: readonly number[]): GpuTensor<T> {
    const buffer = this.#buffers.acquire(4 * sizeOf(shape));
    return this.#add(new GpuTensor(type, shape, buffer));
  }

  /**
   * A tensor for the host to write, in parts if it exceeds the limit of a
   * binding.
   *
   * @param rowBytes bytes of one index of the first dimension
   */
  makeForHost<T extends Content>(
    type: T,
    shape: readonly number[],
    rowBytes: number,
  ): GpuTensor<T> {
    const [rows] = shape;
    const each = Math.max(1, Math.floor(this.#bindable / rowBytes));
    const part = (count: number): GpuTensor<T> => {
      const buffer = this.#buffers.acquire(count * rowBytes, true);
      return new GpuTensor(type, [count, ...shape.slice(1)], buffer);
    };
    if (rows <= each) return this.#add(part(rows));
    const parts: GpuTensor<T>[] = [];
    for (let start = 0; start < rows; start += each) {
      parts.push(part(Math.min(each, rows - start)));
    }
    return this.#add(new GpuTensor(type, shape, null, parts));
  }

  /** Releases the buffers of a tensor. Freeing it again does nothing. */
  free(x: GpuTensor): void {
    for (const part of x.parts) this.free(part);
    if (x.buffer) this.#buffers.release(x.buffer);
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

/**
 * Tensors of the reference backend: shapes over host memory.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor, Weight } from "./backend.ts";

/** A tensor of this backend: a shape over host memory. */
export interface HostTensor extends Tensor {
  /** Row-major; its length is the product of `shape`. */
  readonly data: Float32Array;
}

/** The same for integers. */
export interface HostIndices extends Indices {
  /** Row-major; its length is the product of `shape`. */
  readonly data: Int32Array;
}

/** The same for the weights of a linear layer, rounded to what is stored. */
export interface HostWeight extends Weight {
  /** Row-major; its length is the product of `shape`. */
  readonly data: Float32Array;
}

/** The values of a tensor that this backend made. */
export const floats = (x: Tensor): Float32Array => (x as HostTensor).data;

/** The values of integers that this backend made. */
export const integers = (x: Indices): Int32Array => (x as HostIndices).data;

/** The weights of a linear layer of this backend. */
export const weights = (x: Weight): Float32Array => (x as HostWeight).data;

/** How many values a shape holds. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/**
 * Checks what a backend is given to upload.
 *
 * @throws {TypeError} the data does not have as many values as its shape
 */
export function checkSize(
  data: Float32Array | Int32Array,
  shape: readonly number[],
): void {
  if (data.length !== sizeOf(shape)) {
    throw new TypeError(
      `Cannot upload data as shape [${shape}] needs ${
        sizeOf(shape)
      } values: got ${data.length}`,
    );
  }
}

/**
 * Checks rows that a backend is given to upload after `start` others.
 *
 * @returns how many there are
 * @throws {TypeError} they are not whole rows, or more than are missing
 */
export function checkRows(
  data: Float32Array,
  [rows, ...rest]: readonly number[],
  start: number,
): number {
  const width = sizeOf(rest);
  const count = data.length / width || 0;
  if (!Number.isInteger(count) || start + count > rows) {
    throw new TypeError(
      `Cannot upload rows as they must have ${width} values each, and ${
        rows - start
      } are missing: got ${data.length} values`,
    );
  }
  return count;
}

/** A tensor over `data`, which is not copied; zeros where it is left out. */
export function tensor(
  shape: readonly number[],
  data: Float32Array = new Float32Array(sizeOf(shape)),
): HostTensor {
  return { type: "float", shape, data };
}

/** Integers over `data`, which is not copied; zeros where it is left out. */
export function indices(
  shape: readonly number[],
  data: Int32Array = new Int32Array(sizeOf(shape)),
): HostIndices {
  return { type: "index", shape, data };
}

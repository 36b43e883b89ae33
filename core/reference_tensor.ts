/**
 * Tensors of the reference backend: shapes over host memory.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor } from "./backend.ts";

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

/** The values of a tensor that this backend made. */
export const floats = (x: Tensor): Float32Array => (x as HostTensor).data;

/** The values of integers that this backend made. */
export const integers = (x: Indices): Int32Array => (x as HostIndices).data;

/** How many values a shape holds. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

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

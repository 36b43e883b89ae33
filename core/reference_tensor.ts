/**
 * Tensors of the reference backend: shapes over host memory.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor } from "./backend.ts";

/** A tensor of this backend: a shape over host memory. */
export interface HostTensor extends Tensor {
  readonly data: Float32Array;
}

export interface HostIndices extends Indices {
  readonly data: Int32Array;
}

export const floats = (x: Tensor): Float32Array => (x as HostTensor).data;
export const integers = (x: Indices): Int32Array => (x as HostIndices).data;
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

export function tensor(
  shape: readonly number[],
  data: Float32Array = new Float32Array(sizeOf(shape)),
): HostTensor {
  return { type: "float", shape, data };
}

export function indices(
  shape: readonly number[],
  data: Int32Array = new Int32Array(sizeOf(shape)),
): HostIndices {
  return { type: "index", shape, data };
}

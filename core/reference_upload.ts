/**
 * How host data come to the reference backend.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, RowUpload, Tensor } from "./backend.ts";
import { storedValues, type WeightType } from "./quantize.ts";
import {
  checkRows,
  checkSize,
  type HostTensor,
  type HostWeight,
  indices,
  tensor,
} from "./reference_tensor.ts";

/** The operations of this file, for weights that are stored so. */
export function uploadOperations(
  weightType: WeightType,
): Pick<
  Backend,
  "upload" | "uploadRows" | "uploadWeight" | "uploadWeightRows"
> {
  function uploadWeightRows(shape: readonly number[]): RowUpload<HostWeight> {
    const x: HostWeight = { ...tensor(shape), type: "weight" };
    const [, I] = shape;
    return uploadInto(
      x,
      (rows, first) => storedValues(weightType, rows, I, first),
    );
  }
  return {
    upload,
    uploadRows: (shape) => uploadInto(tensor(shape), (rows) => rows),
    uploadWeight(data, shape) {
      checkSize(data, shape);
      const { tensor, write } = uploadWeightRows(shape);
      write(data);
      return tensor;
    },
    uploadWeightRows,
  };
}

function upload(data: Float32Array, shape: readonly number[]): Tensor;
function upload(data: Int32Array, shape: readonly number[]): Indices;
function upload(
  data: Float32Array | Int32Array,
  shape: readonly number[],
): Tensor | Indices {
  checkSize(data, shape);
  return data instanceof Float32Array
    ? tensor(shape, data.slice())
    : indices(shape, data.slice());
}

/** Rows of host memory, as `store` has them. */
function uploadInto<T extends HostTensor | HostWeight>(
  x: T,
  store: (rows: Float32Array, first: number) => Float32Array,
): RowUpload<T> {
  let first = 0;
  let at = 0;
  return {
    tensor: x,
    write(rows) {
      const count = checkRows(rows, x.shape, first);
      x.data.set(store(rows, first), at);
      first += count;
      at += rows.length;
    },
  };
}

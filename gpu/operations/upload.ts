/**
 * Operations of the GPU backend that upload host data.
 *
 * This module is browser compatible.
 */

import type {
  Backend,
  Indices,
  RowUpload,
  Tensor,
  Weight,
} from "../../core/backend.ts";
import { checkWeights } from "../../core/checkpoints/quantize.ts";
import { checkRows, checkSize, sizeOf } from "../../core/sizes.ts";
import type { Context } from "../context.ts";
import {
  encodeWeights,
  rowBytes,
  wholeVectors,
} from "../kernels/stored_weights.ts";
import { bufferOf, type Content, partsOf } from "../tensors.ts";

/** The operations of this file in a context. */
export function uploadOperations(
  { tensors, uploader, weightType }: Context,
): Pick<
  Backend,
  "upload" | "uploadRows" | "uploadWeight" | "uploadWeightRows"
> {
  /** Writes rows of `width` values to a tensor, starting at row `first`. */
  function writeRows(
    x: Tensor | Indices | Weight,
    values: Float32Array | Int32Array | Uint32Array,
    { width, first }: { readonly width: number; readonly first: number },
  ): void {
    const end = first + values.length / width;
    for (const { start, rows } of partsOf<Content>(x)) {
      const from = Math.max(first, start);
      const to = Math.min(end, start + rows.shape[0]);
      if (from >= to) continue;
      const part = values.subarray(
        width * (from - first),
        width * (to - first),
      );
      uploader.write(bufferOf(rows), part, 4 * (from - start) * width);
    }
  }

  function upload(data: Float32Array, shape: readonly number[]): Tensor;
  function upload(data: Int32Array, shape: readonly number[]): Indices;
  function upload(
    data: Float32Array | Int32Array,
    shape: readonly number[],
  ): Tensor | Indices {
    checkSize(data, shape);
    const width = widthOf(shape);
    const x = data instanceof Float32Array
      ? tensors.makeForHost("float", shape, 4 * width)
      : tensors.makeForHost("index", shape, 4 * width);
    writeRows(x, data, { width, first: 0 });
    return x;
  }

  /** Uploads blocks of rows to a tensor. Encoded rows have `width` values. */
  function uploadTo<T extends Tensor | Weight>(
    x: T,
    width: number,
    encode: (rows: Float32Array, first: number) => Float32Array | Uint32Array,
  ): RowUpload<T> {
    let first = 0;
    return {
      tensor: x,
      write(rows) {
        const count = checkRows(rows, x.shape, first);
        writeRows(x, encode(rows, first), { width, first });
        first += count;
      },
    };
  }

  function uploadRows(shape: readonly number[]): RowUpload<Tensor> {
    const width = widthOf(shape);
    const x = tensors.makeForHost("float", shape, 4 * width);
    return uploadTo<Tensor>(x, width, (rows) => rows);
  }

  function uploadWeight(data: Float32Array, shape: readonly number[]): Weight {
    checkSize(data, shape);
    const { tensor, write } = uploadWeightRows(shape);
    write(data);
    return tensor;
  }

  function uploadWeightRows(shape: readonly number[]): RowUpload<Weight> {
    const [, I] = shape;
    const padded = wholeVectors(I);
    const bytes = rowBytes(weightType, padded);
    const x = tensors.makeForHost("weight", shape, bytes);
    return uploadTo<Weight>(x, bytes / 4, (rows, first) => {
      checkWeights(weightType, rows, I, first);
      return encodeWeights(pad(rows, I, padded), weightType, padded);
    });
  }

  return { upload, uploadRows, uploadWeight, uploadWeightRows };
}

/** The number of values per index of the first dimension. */
const widthOf = ([, ...rest]: readonly number[]): number => sizeOf(rest);

/** Pads rows of `from` values with zeros to `to` values. */
function pad(data: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return data;
  const rows = data.length / from;
  const out = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) {
    out.set(data.subarray(row * from, (row + 1) * from), row * to);
  }
  return out;
}

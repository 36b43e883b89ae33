/**
 * How host data come to the GPU backend.
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
import { rowBytes, store, wholeVectors } from "../kernels/stored_weights.ts";
import { bufferOf, type Content, partsOf } from "../tensors.ts";

/** The operations of this file on a device. */
export function uploadOperations(
  { tensors, uploader, weightType }: Context,
): Pick<
  Backend,
  "upload" | "uploadRows" | "uploadWeight" | "uploadWeightRows"
> {
  /** Writes rows of `width` values each to a tensor, from row `first` on. */
  function write(
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
        (from - first) * width,
        (to - first) * width,
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
    write(x, data, { width, first: 0 });
    return x;
  }

  function uploadRows(shape: readonly number[]): RowUpload<Tensor> {
    const width = widthOf(shape);
    const x = tensors.makeForHost("float", shape, 4 * width);
    let first = 0;
    return {
      tensor: x,
      write(rows) {
        const count = checkRows(rows, shape, first);
        write(x, rows, { width, first });
        first += count;
      },
    };
  }

  function uploadWeight(data: Float32Array, shape: readonly number[]): Weight {
    checkSize(data, shape);
    const { tensor, write } = uploadWeightRows(shape);
    write(data);
    return tensor;
  }

  /** Rows are filled up with zeros to whole vec4. */
  function uploadWeightRows(shape: readonly number[]): RowUpload<Weight> {
    const [, I] = shape;
    const padded = wholeVectors(I);
    const bytes = rowBytes(weightType, padded);
    const x = tensors.makeForHost("weight", shape, bytes);
    let first = 0;
    return {
      tensor: x,
      write(rows) {
        const count = checkRows(rows, shape, first);
        checkWeights(weightType, rows, I, first);
        const stored = store(fillUp(rows, I, padded), weightType, padded);
        write(x, stored, { width: bytes / 4, first });
        first += count;
      },
    };
  }

  return { upload, uploadRows, uploadWeight, uploadWeightRows };
}

/** Values that one index of the first dimension names. */
const widthOf = ([, ...rest]: readonly number[]): number => sizeOf(rest);

/** Rows of a length → rows of another, the rest of which is zeros. */
function fillUp(
  data: Float32Array,
  from: number,
  to: number,
): Float32Array {
  if (from === to) return data;
  const rows = data.length / from;
  const out = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) {
    out.set(data.subarray(row * from, (row + 1) * from), row * to);
  }
  return out;
}

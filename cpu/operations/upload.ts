/**
 * Uploads of host data to the CPU backend.
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
import { checkRows, checkSize } from "../../core/sizes.ts";
import type { Device } from "../device.ts";
import { packedBytes, packRows, rowPlace } from "../kernels/linear_pack.ts";
import { rowBytes } from "../kernels/linear_quantize.ts";
import type { CpuTensor } from "../tensors.ts";

/** The operations of this file on a device. */
export function uploadOperations(
  { arena, kernels, pool, weightType }: Device,
): Pick<
  Backend,
  "upload" | "uploadRows" | "uploadWeight" | "uploadWeightRows"
> {
  function upload(data: Float32Array, shape: readonly number[]): Tensor;
  function upload(data: Int32Array, shape: readonly number[]): Indices;
  function upload(
    data: Float32Array | Int32Array,
    shape: readonly number[],
  ): Tensor | Indices {
    checkSize(data, shape);
    if (data instanceof Float32Array) {
      const x = pool.make("float", shape);
      arena.floats.set(data, x.address / 4);
      return x;
    }
    const x = pool.make("index", shape);
    arena.integers.set(data, x.address / 4);
    return x;
  }

  function uploadRows(shape: readonly number[]): RowUpload<Tensor> {
    const x = pool.make("float", shape);
    let first = 0;
    let at = x.address / 4;
    return {
      tensor: x,
      write(rows) {
        first += checkRows(rows, shape, first);
        arena.floats.set(rows, at);
        at += rows.length;
      },
    };
  }

  function uploadWeight(data: Float32Array, shape: readonly number[]): Weight {
    checkSize(data, shape);
    const { tensor, write } = uploadWeightRows(shape);
    write(data);
    return tensor;
  }

  function uploadWeightRows(shape: readonly number[]): RowUpload<Weight> {
    const bytes = packedBytes(weightType, shape);
    const x = pool.make("weight", shape, bytes);
    // A new view each time: memory may have grown since the last rows.
    const packed = (): Uint32Array =>
      new Uint32Array(arena.memory.buffer, x.address, bytes / 4);
    packed().fill(0);
    const [, width] = shape;
    let start = 0;
    return {
      tensor: x,
      write(rows) {
        const count = checkRows(rows, shape, start);
        checkWeights(weightType, rows, width, start);
        if (weightType === "int4") packInt4(x, rows, start);
        else packRows(packed(), rows, { type: weightType, width, start });
        start += count;
      },
    };
  }

  /** As `packRows`. */
  function packInt4(x: CpuTensor, rows: Float32Array, start: number): void {
    const [, I] = x.shape;
    const bytes = rowBytes(I);
    const scratch = arena.allocate(bytes);
    arena.floats.fill(0, scratch / 4, (scratch + bytes) / 4);
    for (let row = 0; row * I < rows.length; row++) {
      arena.floats.set(rows.subarray(row * I, (row + 1) * I), scratch / 4);
      const at = x.address + rowPlace("int4", I, start + row);
      kernels.packInt4(at, scratch, I);
    }
    arena.free(scratch, bytes);
  }

  return { upload, uploadRows, uploadWeight, uploadWeightRows };
}

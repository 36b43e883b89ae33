/**
 * Normalisation of rows: LayerNorm and RMSNorm.
 *
 * ```text
 * for each row:                              // 4 values at a time
 *   mean = Σ x / D                           // LayerNorm only
 *   variance = Σ (x − mean)² / D             // RMSNorm: Σ x² / D
 *   out = (x − mean) / √(variance + ε) · weight + bias
 * ```
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  f32,
  f32x4,
  type FunctionBody,
  i32,
  type Local,
  type Module,
  v128,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { combineLanes, firstLanes } from "./lanes.ts";
import type { Vector } from "./math.ts";

/**
 * Adds layerNorm(out, x, weight, bias, rows, width, epsilon) and
 * rmsNorm(out, x, weight, rows, width, epsilon).
 *
 * Rows are written in ascending order, 16 bytes at a time. Values written past the
 * end of a row are overwritten by the next one; the last one has slack behind it.
 */
export function addNormKernels(module: Module, madd: MultiplyAdd): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32", "f32"],
    (body, out, x, weight, bias, rows, width, epsilon) => {
      forEachRow(body, { out, x, rows, width }, (row) => {
        const add = (sum: Vector, value: Vector): Vector =>
          f32x4.add(sum, value);
        const mean = body.let(row.mean(add));
        // The rounding error of the mean, which is large if a row is far from 0.
        const rest = body.let(
          row.mean(add, (value) => f32x4.sub(value, mean)),
        );
        const deviation = (value: Vector): Vector =>
          f32x4.sub(f32x4.sub(value, mean), rest);
        const variance = row.mean(
          (sum, value) => madd(value, value, sum),
          deviation,
        );
        const scale = body.let(reciprocalRoot(variance, epsilon));
        row.write((value, offset) =>
          madd(
            f32x4.mul(deviation(value), scale),
            v128.load(i32.add(weight, offset)),
            v128.load(i32.add(bias, offset)),
          )
        );
      });
    },
    "layerNorm",
  );
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "f32"],
    (body, out, x, weight, rows, width, epsilon) => {
      forEachRow(body, { out, x, rows, width }, (row) => {
        const square = row.mean((sum, value) => madd(value, value, sum));
        const scale = body.let(reciprocalRoot(square, epsilon));
        row.write((value, offset) =>
          f32x4.mul(
            f32x4.mul(value, scale),
            v128.load(i32.add(weight, offset)),
          )
        );
      });
    },
    "rmsNorm",
  );
}

/** 1 / √(x + ε). */
function reciprocalRoot(x: Vector, epsilon: Expression<"f32">): Vector {
  return f32x4.div(
    f32x4.const(1),
    f32x4.sqrt(f32x4.add(x, f32x4.splat(epsilon))),
  );
}

/** A row in a loop over rows. */
interface Row {
  /**
   * The mean over a row of what `accumulate` adds to a sum, in every lane.
   *
   * @param of applied to the values first
   */
  mean(
    accumulate: (sum: Vector, value: Vector) => Vector,
    of?: (value: Vector) => Vector,
  ): Vector;
  /** Writes the row of results, given values and their offset in bytes. */
  write(result: (value: Vector, offset: Local<"i32">) => Vector): void;
}

/** Repeats `content` for every row of x and out. */
function forEachRow(
  body: FunctionBody,
  { out, x, rows, width }: Record<
    "out" | "x" | "rows" | "width",
    Local<"i32">
  >,
  content: (row: Row) => void,
): void {
  const bytes = body.let(i32.shl(width, 2));
  const fullBytes = body.let(i32.and(bytes, -16));
  const tail = body.let(firstLanes(i32.and(width, 3)));
  const share = body.let(
    f32x4.splat(f32.div(f32.const(1), f32.convertI32U(width))),
  );
  const offset = body.local("i32");
  const value = body.local("v128");
  const sum = body.local("v128");
  const load = (): Vector => v128.load(i32.add(x, offset));
  body.while(rows, () => {
    content({
      mean: (accumulate, of = (value) => value) => {
        body.set(sum, f32x4.const(0));
        body.for(offset, { from: 0, to: fullBytes, step: 16 }, () => {
          body.set(value, of(load()));
          body.set(sum, accumulate(sum, value));
        });
        body.if(i32.ltU(offset, bytes), () => {
          body.set(value, v128.and(of(load()), tail));
          body.set(sum, accumulate(sum, value));
        });
        return f32x4.mul(combineLanes(body, sum, f32x4.add), share);
      },
      write: (result) =>
        body.for(offset, { from: 0, to: bytes, step: 16 }, () => {
          body.set(value, load());
          body.store(i32.add(out, offset), result(value, offset));
        }),
    });
    body.set(out, i32.add(out, bytes));
    body.set(x, i32.add(x, bytes));
    body.set(rows, i32.sub(rows, 1));
  });
}

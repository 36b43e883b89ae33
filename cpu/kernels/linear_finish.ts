/**
 * The epilogue of `linear`, on a block of the product that is still in the cache:
 *
 * ```text
 * for each row of the block, for each column:      // 4 columns at a time, then 1
 *   out = silu(gate) · activation(out + bias) + residual
 * ```
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  f32x4,
  i32,
  type Local,
  type Module,
  type Operation,
  v128,
} from "../assembler.ts";
import type { VectorFunction, VectorMath } from "./math.ts";

/**
 * The call for a block of the output. Addresses are those of the block's first
 * element; 0 means that there is no such tensor.
 *
 * @param out shape [rows, columns], O floats from one row to the next
 * @param bias shape [columns]
 * @param gate as `out`
 * @param residual as `out`
 */
export type Finish = Operation<
  [
    out: "i32",
    rows: "i32",
    columns: "i32",
    O: "i32",
    bias: "i32",
    gate: "i32",
    residual: "i32",
  ],
  "none"
>;

/** Adds the function for one activation (or none) to the module. */
export function addFinish(
  module: Module,
  { silu }: VectorMath,
  activation?: VectorFunction,
): Finish {
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(
    parameters,
    (body, out, rows, columns, O, bias, gate, residual) => {
      /** One turn of the inner loop; `offset` and `column` are in bytes. */
      const finish = (
        { load, store }: Width,
        offset: Local<"i32">,
        column: Local<"i32">,
      ): void => {
        const at = (base: Local<"i32">): Expression<"v128"> =>
          load(i32.add(base, offset));
        const value = body.let(at(out));
        body.if(bias, () => {
          const biasC = load(i32.add(bias, column));
          body.set(value, f32x4.add(value, biasC));
        });
        if (activation) body.set(value, activation(body, value));
        body.if(gate, () => {
          const factor = silu(body, body.let(at(gate)));
          body.set(value, f32x4.mul(value, factor));
        });
        body.if(residual, () => {
          body.set(value, f32x4.add(value, at(residual)));
        });
        body.store(i32.add(out, offset), store(value));
      };
      // Bytes from the start of the block, and from the start of the row.
      const row = body.local("i32");
      const column = body.local("i32");
      const offset = body.local("i32");
      const rowBytes = body.let(i32.shl(O, 2));
      const columnBytes = body.let(i32.shl(columns, 2));
      const blockBytes = body.let(i32.mul(rows, rowBytes));
      const pass = (width: Width, to: Local<"i32">): void =>
        body.while(i32.ltU(column, to), () => {
          body.set(offset, i32.add(row, column));
          finish(width, offset, column);
          body.set(column, i32.add(column, width.bytes));
        });
      const vectorBytes = body.let(i32.and(columnBytes, -VECTOR.bytes));
      body.for(row, { from: 0, to: blockBytes, step: rowBytes }, () => {
        body.set(column, 0);
        pass(VECTOR, vectorBytes);
        pass(SINGLE, columnBytes);
      });
    },
  );
}

/** How floats are read and written: four at a time, or one. */
interface Width {
  readonly bytes: number;
  readonly load: (address: Expression<"i32">) => Expression<"v128">;
  readonly store: (value: Expression<"v128">) => Expression<"v128" | "f32">;
}

const VECTOR: Width = {
  bytes: 16,
  load: (address) => v128.load(address),
  store: (value) => value,
};

/** One float in lane 0: the same arithmetic for the last columns of a row. */
const SINGLE: Width = {
  bytes: 4,
  load: (address) => v128.load32Zero(address),
  store: (value) => f32x4.extractLane(value, 0),
};

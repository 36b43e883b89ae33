/**
 * Rotary position embedding.
 *
 * ```text
 * for each row, for each head, for e = 0 … half − 1:    // 4 e at a time
 *   a = x[e];  b = x[e + half]
 *   out[e]        = a · cos[e] − b · sin[e]
 *   out[e + half] = b · cos[e] + a · sin[e]
 * ```
 *
 * This module is browser compatible.
 */

import { f32x4, i32, type Module, v128 } from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";

/**
 * Adds rope(out, x, tableRows, table, rows, width, half).
 *
 * Row i of x is rotated by row tableRows[i] of the table, which holds `half`
 * cosines, then `half` sines; see `rotary.ts`. In each head the first half is
 * written before the second, which overwrites values written past its end.
 */
export function addRopeKernel(module: Module, madd: MultiplyAdd): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    (body, out, x, tableRows, table, rows, width, half) => {
      const halfBytes = body.let(i32.shl(half, 2));
      const headBytes = body.let(i32.shl(half, 3));
      const rowBytes = body.let(i32.shl(width, 2));
      const offset = body.local("i32");
      const rowEnd = body.local("i32");
      const cosines = body.local("i32");
      const sines = body.local("i32");

      body.while(rows, () => {
        body.set(
          cosines,
          i32.add(table, i32.mul(i32.load(tableRows), headBytes)),
        );
        body.set(sines, i32.add(cosines, halfBytes));
        body.set(rowEnd, i32.add(x, rowBytes));
        body.while(i32.ltU(x, rowEnd), () => {
          const at = (base: typeof x) => v128.load(i32.add(base, offset));
          const second = body.let(i32.add(x, halfBytes));
          const outSecond = body.let(i32.add(out, halfBytes));
          body.for(offset, { from: 0, to: halfBytes, step: 16 }, () => {
            // a cos − b sin
            body.store(
              i32.add(out, offset),
              madd(
                f32x4.neg(at(second)),
                at(sines),
                f32x4.mul(at(x), at(cosines)),
              ),
            );
          });
          body.for(offset, { from: 0, to: halfBytes, step: 16 }, () => {
            // b cos + a sin
            body.store(
              i32.add(outSecond, offset),
              madd(
                at(x),
                at(sines),
                f32x4.mul(at(second), at(cosines)),
              ),
            );
          });
          body.set(x, i32.add(x, headBytes));
          body.set(out, i32.add(out, headBytes));
        });
        body.set(tableRows, i32.add(tableRows, 4));
        body.set(rows, i32.sub(rows, 1));
      });
    },
    "rope",
  );
}

/**
 * Quantises weights to 4 bits and packs them. The result has the bits of
 * `quantizeRows` (`core/checkpoints/quantize.ts`) and `packRows`, several times as fast: two
 * weights at a time, in 64-bit floats as in JavaScript.
 *
 * ```text
 * for each group of 64 inputs of the row:
 *   candidates = 4 scales from the largest and the smallest weight
 *   for each weight, for each candidate:
 *     error[candidate] += (weight − nearest(weight / scale) · scale)²
 *   store the scale with the least error
 *   for each 8 weights: store a word of nearest(weight / scale)
 * ```
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  f32x4,
  f64x2,
  type FunctionBody,
  i32,
  i32x4,
  type Local,
  type Module,
  shuffle32,
  v128,
} from "../assembler.ts";
import { CHUNK, groupInputs } from "./linear_pack.ts";
import { PANEL_BYTES } from "./linear_tile.ts";
import type { Vector } from "./math.ts";
import { advance, minimum, range } from "./pieces.ts";

/** Bytes of a row for `packInt4`, padded with zeros to whole chunks. */
export const rowBytes = (I: number): number => 4 * CHUNK * Math.ceil(I / CHUNK);

/**
 * Adds packInt4(out, row, I): packs a row of I floats, padded with zeros to a multiple
 * of 8, into a panel. `out` is the address of the row's first scale.
 */
export function addPackInt4(module: Module): void {
  module.function(["i32", "i32", "i32"], (body, out, row, I) => {
    const at = body.local("i32");
    const left = body.let(I);
    body.while(left, () => {
      const inputs = body.let(
        minimum(left, i32.const(groupInputs("int4")!)),
      );
      const chunks = i32.divU(i32.add(inputs, CHUNK - 1), CHUNK);
      const end = body.let(i32.add(row, i32.mul(chunks, 4 * CHUNK)));
      const candidates = scales(body, magnitudes(body, row, end, at));

      // The candidate with the least squared error; ties go to the first.
      const errors = candidates.map(() => body.let(f64x2.const(0)));
      const inverses = candidates.map((scale) =>
        body.let(f64x2.div(f64x2.const(1), scale))
      );
      body.for(at, { from: row, to: end, step: 8 }, () => {
        const weights = body.let(f64x2.promoteLowF32x4(v128.load64Zero(at)));
        for (const [i, scale] of candidates.entries()) {
          const value = nearest(weights, inverses[i]);
          const error = body.let(f64x2.sub(weights, f64x2.mul(value, scale)));
          body.set(errors[i], f64x2.add(errors[i], f64x2.mul(error, error)));
        }
      });
      const [best, inverse, least] = [candidates, inverses, errors.map(sum)]
        .map(([first]) => body.let(first));
      for (const i of range(candidates.length).slice(1)) {
        const error = body.let(sum(errors[i]));
        const less = body.let(f64x2.lt(error, least));
        body.set(best, v128.bitselect(candidates[i], best, less));
        body.set(inverse, v128.bitselect(inverses[i], inverse, less));
        body.set(least, v128.bitselect(error, least, less));
      }

      body.store(out, f32x4.extractLane(f32x4.demoteF64x2Zero(best), 0));
      advance(body, out, PANEL_BYTES);
      body.for(at, { from: row, to: end, step: 4 * CHUNK }, () => {
        body.store(out, word(body, at, inverse));
        advance(body, out, PANEL_BYTES);
      });
      body.set(row, end);
      body.set(left, i32.sub(left, inputs));
    });
  }, "packInt4");
}

/** Lanes 0 and 1: the larger of 0 and the largest weight, the same of −weight. */
function magnitudes(
  body: FunctionBody,
  row: Local<"i32">,
  end: Local<"i32">,
  at: Local<"i32">,
): Local<"v128"> {
  const high = body.let(f32x4.const(0));
  const low = body.let(f32x4.const(0));
  body.for(at, { from: row, to: end, step: 16 }, () => {
    const weights = body.let(v128.load(at));
    body.set(high, f32x4.max(high, weights));
    body.set(low, f32x4.max(low, f32x4.neg(weights)));
  });
  // Pairs of both in each half, then the largest of all.
  const upper = shuffle32(high, low, [0, 4, 1, 5]);
  const lower = shuffle32(high, low, [2, 6, 3, 7]);
  const two = body.let(f32x4.max(upper, lower));
  return body.let(f32x4.max(two, shuffle32(two, two, [2, 3, 0, 1])));
}

/** The four candidate scales, each in both lanes; see `quantizeInt4`. */
function scales(
  body: FunctionBody,
  highLow: Local<"v128">,
): Local<"v128">[] {
  const up = body.let(f64x2.promoteLowF32x4(highLow));
  const down = body.let(swap(up));
  return [0.5, 0].flatMap((beyond) => {
    const step = f64x2.max(
      f64x2.div(up, f64x2.const(7 + beyond)),
      f64x2.div(down, f64x2.const(8 + beyond)),
    );
    const rounded = f32x4.demoteF64x2Zero(
      f64x2.max(step, f64x2.const(2 ** -126)),
    );
    // The scale that puts −8 on the positive side is negative.
    const both = body.let(
      f64x2.promoteLowF32x4(f32x4.mul(rounded, f32x4.const(1, -1, 1, 1))),
    );
    return [
      body.let(shuffle32(both, both, [0, 1, 0, 1])),
      body.let(shuffle32(both, both, [2, 3, 2, 3])),
    ];
  });
}

/** Swaps the 64-bit lanes. */
function swap(x: Local<"v128">): Vector {
  return shuffle32(x, x, [2, 3, 0, 1]);
}

/** The sum of the 64-bit lanes, in both. */
function sum(x: Local<"v128">): Vector {
  return f64x2.add(x, swap(x));
}

/** The nearest integers from −8 to 7, as in `toInt4`. */
function nearest(weights: Vector, inverse: Vector): Vector {
  const above = f64x2.add(f64x2.mul(weights, inverse), f64x2.const(128.5));
  const within = f64x2.pmax(
    f64x2.const(120),
    f64x2.pmin(f64x2.const(135), above),
  );
  return f64x2.sub(f64x2.floor(within), f64x2.const(128));
}

/** The word of 8 weights from an address on. */
function word(
  body: FunctionBody,
  at: Local<"i32">,
  inverse: Vector,
): Expression<"i32"> {
  const halves = body.let(i32x4.const(0));
  for (const pair of range(CHUNK / 2)) {
    const weights = f64x2.promoteLowF32x4(v128.load64Zero(at, 8 * pair));
    const values = i32x4.truncSatF64x2SZero(nearest(weights, inverse));
    const bits = v128.and(values, i32x4.const(15));
    body.set(halves, v128.or(halves, i32x4.shl(bits, 8 * pair)));
  }
  const odd = i32.shl(i32x4.extractLane(halves, 1), 4);
  return i32.or(i32x4.extractLane(halves, 0), odd);
}

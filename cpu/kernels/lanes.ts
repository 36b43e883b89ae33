/**
 * Operations across the four lanes of a vector.
 *
 * This module is browser compatible.
 */

import {
  type FunctionBody,
  i32x4,
  type Local,
  type Operand,
  type Operation,
  shuffle32,
} from "../assembler.ts";
import type { Vector } from "./math.ts";

/** Reduces all lanes with an operation such as a sum; the result is in every lane. */
export function combineLanes(
  body: FunctionBody,
  x: Vector,
  operation: Operation<["v128", "v128"], "v128">,
): Vector {
  const all = body.let(x);
  const pairs = body.let(operation(all, shuffle32(all, all, [2, 3, 0, 1])));
  return operation(pairs, shuffle32(pairs, pairs, [1, 0, 3, 2]));
}

/** A mask of the lanes before lane `count`. */
export function firstLanes(count: Operand<"i32">): Vector {
  return i32x4.ltS(i32x4.const(0, 1, 2, 3), i32x4.splat(count));
}

/** The columns of four rows of four. */
export function transpose(
  body: FunctionBody,
  [a, b, c, d]: readonly Local<"v128">[],
): Vector[] {
  const low = [0, 4, 1, 5] as const;
  const high = [2, 6, 3, 7] as const;
  const acLow = body.let(shuffle32(a, c, low));
  const acHigh = body.let(shuffle32(a, c, high));
  const bdLow = body.let(shuffle32(b, d, low));
  const bdHigh = body.let(shuffle32(b, d, high));
  return [
    shuffle32(acLow, bdLow, low),
    shuffle32(acLow, bdLow, high),
    shuffle32(acHigh, bdHigh, low),
    shuffle32(acHigh, bdHigh, high),
  ];
}

/**
 * What several kernels do with the four lanes of a vector.
 *
 * This module is browser compatible.
 */

import {
  type FunctionBody,
  i32x4,
  type Operand,
  type Operation,
  shuffle32,
} from "../assembler.ts";
import type { Vector } from "./math.ts";

/** All lanes combined by an operation on pairs, such as a sum; in every lane. */
export function combineLanes(
  body: FunctionBody,
  x: Vector,
  operation: Operation<["v128", "v128"], "v128">,
): Vector {
  const all = body.let(x);
  const pairs = body.let(operation(all, shuffle32(all, all, [2, 3, 0, 1])));
  return operation(pairs, shuffle32(pairs, pairs, [1, 0, 3, 2]));
}

/** All bits of the lanes before lane `count`, none of the others. */
export function firstLanes(count: Operand<"i32">): Vector {
  return i32x4.ltS(i32x4.const(0, 1, 2, 3), i32x4.splat(count));
}

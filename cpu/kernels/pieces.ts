/**
 * Small pieces of code that several kernels use.
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  type FunctionBody,
  i32,
  type Local,
  type Operand,
  select,
} from "../assembler.ts";

/** `count` pointers, `stride` bytes apart, starting with `first`. */
export function pointers(
  body: FunctionBody,
  first: Local<"i32">,
  count: number,
  stride: Expression<"i32">,
): Local<"i32">[] {
  const all = [first];
  while (all.length < count) {
    all.push(body.let(i32.add(all.at(-1)!, stride)));
  }
  return all;
}

/** pointer += bytes. */
export function advance(
  body: FunctionBody,
  pointer: Local<"i32">,
  bytes: Operand<"i32">,
): void {
  body.set(pointer, i32.add(pointer, bytes));
}

/** 0, 1, … up to a length. */
export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** The smaller of two unsigned integers. */
export function minimum(
  a: Expression<"i32">,
  b: Expression<"i32">,
): Expression<"i32"> {
  return select(a, b, i32.ltU(a, b));
}

/** The larger of two unsigned integers. */
export function maximum(
  a: Expression<"i32">,
  b: Expression<"i32">,
): Expression<"i32"> {
  return select(a, b, i32.gtU(a, b));
}

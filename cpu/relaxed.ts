/**
 * a · b + c on vectors, with and without relaxed SIMD. All kernels of a module use
 * the same one.
 *
 * This module is browser compatible.
 */

import { f32x4, Module, v128 } from "./assembler.ts";

/** a · b + c of four floats. */
export type MultiplyAdd = typeof f32x4.relaxedMadd;

/** In one instruction, rounded once where the hardware can. */
export const relaxedMultiplyAdd: MultiplyAdd = f32x4.relaxedMadd;

/** In two instructions, rounded twice; every runtime with SIMD has them. */
export const multiplyThenAdd: MultiplyAdd = (a, b, c) =>
  f32x4.add(f32x4.mul(a, b), c);

/** Whether this runtime supports relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  const probe = new Module();
  const zero = v128.load(0);
  probe.importMemory("host", "memory", { initial: 1, maximum: 1 });
  probe.function([], () => relaxedMultiplyAdd(zero, zero, zero));
  return WebAssembly.validate(probe.encode());
}

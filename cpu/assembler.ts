/**
 * A small assembler: WebAssembly functions written in TypeScript and checked by its
 * types. An instruction, or a call, is a function from typed expressions to a typed
 * expression. A statement is a method of a function body, which appends it. The
 * assembler does not depend on the kernels.
 *
 * Not supported: 64-bit numbers outside vectors, tables, globals, imported functions,
 * several memories.
 *
 * ```ts
 * import { f32x4, i32, Module, v128 } from "./assembler.ts";
 *
 * const module = new Module();
 * module.importMemory("host", "memory", { initial: 1, maximum: 1 });
 *
 * // A function from vector to vector, for other functions only.
 * const square = module.function(["v128"], (_, x) => f32x4.mul(x, x));
 *
 * // for (i = 0; i < bytes; i += 16) y[i] = x[i]² + 1, four floats at a time.
 * module.function(["i32", "i32", "i32"], (body, x, y, bytes) => {
 *   const i = body.local("i32");
 *   body.for(i, { from: 0, to: bytes, step: 16 }, () => {
 *     const squared = body.let(square(v128.load(i32.add(x, i))));
 *     body.store(i32.add(y, i), f32x4.add(squared, f32x4.const(1)));
 *   });
 * }, "squarePlusOne");
 *
 * const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
 * const { instance } = await WebAssembly.instantiate(module.encode(), {
 *   host: { memory },
 * });
 * const floats = new Float32Array(memory.buffer);
 * floats.set([1, 2, 3, 4]);
 * (instance.exports.squarePlusOne as CallableFunction)(0, 16, 16);
 * console.log(floats.subarray(4, 8)); // [2, 5, 10, 17]
 * ```
 *
 * This module is browser compatible.
 *
 * @module
 */

export {
  type ForRange,
  FunctionBody,
  type Label,
  type Local,
} from "./wasm/body.ts";
export type {
  Expression,
  Operand,
  Operation,
  ValueType,
} from "./wasm/expression.ts";
export { f32, i32, select } from "./wasm/instructions.ts";
export { f32x4, f64x2, i32x4, shuffle32, v128 } from "./wasm/simd.ts";
export { type MemoryLimits, Module } from "./wasm/module.ts";

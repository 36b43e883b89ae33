/** What tests of the assembler share. */

import { assert } from "@std/assert";
import {
  type Expression,
  type FunctionBody,
  Module,
  type ValueType,
} from "../cpu/assembler.ts";

export type Content = (body: FunctionBody) => Expression<ValueType>;

/** The exports of a module; `WebAssembly.validate` has its say first. */
export function instantiate(module: Module): WebAssembly.Exports {
  const bytes = module.encode();
  assert(WebAssembly.validate(bytes));
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
}

/**
 * What the code leaves: a number, or the lanes of a vector. The vectors `given`
 * are in memory at addresses 16, 32, …
 */
export function evaluate(
  content: Content,
  given: readonly Lanes[] = [],
): number | Lanes {
  const module = new Module();
  module.exportMemory("memory", { initial: 1, maximum: 1 });
  let type: ValueType | undefined;
  module.function([], (body) => {
    const result = content(body);
    type = result.type;
    body.store(0, result);
  }, "run");
  const exports = instantiate(module);
  const memory = exports.memory as WebAssembly.Memory;
  given.forEach((lanes, i) => {
    const bytes = new Uint8Array(lanes.buffer, lanes.byteOffset, 16);
    new Uint8Array(memory.buffer).set(bytes, 16 * (i + 1));
  });
  (exports.run as () => void)();
  const { buffer } = memory;
  switch (type) {
    case "i32":
      return new Int32Array(buffer)[0];
    case "f32":
      return new Float32Array(buffer)[0];
    default:
      return new Int32Array(buffer.slice(0, 16));
  }
}

/** Four lanes, to be compared bit by bit. */
export type Lanes = Int32Array | Float32Array;
export const floats = (...lanes: number[]): Float32Array =>
  Float32Array.from(lanes);
export const integers = (...lanes: number[]): Int32Array =>
  Int32Array.from(lanes);
export const bitsOf = (lanes: Lanes): Int32Array =>
  new Int32Array(lanes.buffer, lanes.byteOffset, 4);

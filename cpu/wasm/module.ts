/**
 * Builds a WebAssembly module: functions, one memory, exports.
 *
 * This module is browser compatible.
 */

import { FunctionBody, type Local, TYPE_CODES } from "./body.ts";
import { type Bytes, name, section, u32, vector } from "./encoding.ts";
import {
  type Expression,
  type Operation,
  operation,
  type ValueType,
} from "./expression.ts";

/** The parameters of a function as its body sees them. */
export type Locals<P extends readonly ValueType[]> = {
  [I in keyof P]: Local<P[I]>;
};

/** The type of a function's value, from the result of its body's callback. */
export type ResultOf<R extends Expression<ValueType> | void> = R extends
  Expression<infer T> ? T : "none";

/** Sizes of a memory in pages of 64 KiB. */
export interface MemoryLimits {
  /** At the start. */
  readonly initial: number;
  /** How far it may grow. */
  readonly maximum: number;
}

/** "\0asm" and the version, 1. */
const HEADER: Bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const FUNCTION_TYPE = 0x60;
const CALL = 0x10;
const FUNCTION_KIND = 0;
const MEMORY_KIND = 2;
/** Limits that name a maximum too. */
const WITH_MAXIMUM = 1;

/** Collects functions and writes the binary. */
export class Module {
  readonly #types: Bytes[] = [];
  readonly #bodies: Bytes[] = [];
  readonly #exports: Bytes[] = [];
  #importedMemory: Bytes | undefined;
  #ownMemory: Bytes | undefined;

  /** Imports a memory: `imports[from][as]` of the host. */
  importMemory(from: string, as: string, limits: MemoryLimits): void {
    this.#importedMemory = [
      ...name(from),
      ...name(as),
      MEMORY_KIND,
      ...encodeLimits(limits),
    ];
  }

  /** Makes a memory of its own and exports it. */
  exportMemory(as: string, limits: MemoryLimits): void {
    this.#ownMemory = encodeLimits(limits);
    this.#exports.push([...name(as), MEMORY_KIND, 0]);
  }

  /**
   * Adds a function. The callback's result is the function's value.
   *
   * @param parameters types of the parameters
   * @param content writes the body
   * @param exportAs the name under which the host sees the function
   * @returns the call of the function, an operation like any instruction
   */
  function<
    const P extends readonly ValueType[],
    R extends Expression<ValueType> | void,
  >(
    parameters: P,
    content: (body: FunctionBody, ...parameters: Locals<P>) => R,
    exportAs?: string,
  ): Operation<P, ResultOf<R>> {
    const body = new FunctionBody(parameters);
    const result = content(body, ...body.locals as unknown as Locals<P>);
    const index = this.#bodies.length;
    this.#types.push([
      FUNCTION_TYPE,
      ...vector(parameters.map((type) => [TYPE_CODES[type]])),
      ...vector(result ? [[TYPE_CODES[result.type]]] : []),
    ]);
    this.#bodies.push(body.encode(result ?? undefined));
    if (exportAs !== undefined) {
      this.#exports.push([...name(exportAs), FUNCTION_KIND, ...u32(index)]);
    }
    const resultType = (result?.type ?? "none") as ResultOf<R>;
    return operation(CALL, parameters, resultType, u32(index));
  }

  /** The binary, ready for `WebAssembly.compile`. */
  encode(): Uint8Array<ArrayBuffer> {
    // Every function has its own type: simpler, and not slower.
    return Uint8Array.from([
      ...HEADER,
      ...section(1, vector(this.#types)),
      ...section(2, vector(this.#importedMemory ? [this.#importedMemory] : [])),
      ...section(3, vector(this.#bodies.map((_, index) => u32(index)))),
      ...section(5, vector(this.#ownMemory ? [this.#ownMemory] : [])),
      ...section(7, vector(this.#exports)),
      ...section(10, vector(this.#bodies)),
    ]);
  }
}

function encodeLimits({ initial, maximum }: MemoryLimits): Bytes {
  return [WITH_MAXIMUM, ...u32(initial), ...u32(maximum)];
}

/**
 * Typed expressions: WebAssembly code that leaves one value on the stack, with the
 * type of the value in its TypeScript type. `f32x4.add(a, b)` is the code of `a`, the
 * code of `b`, and one opcode. So TypeScript checks the types on the stack.
 *
 * An expression is code, not a value: it is evaluated at every place where it is
 * used. `FunctionBody.let` stores a value.
 *
 * This module is browser compatible.
 */

import { type Bytes, f32Bytes, s32, u32 } from "./encoding.ts";

/** The types of values: 32-bit numbers, and vectors of 128 bits. */
export type ValueType = "i32" | "f32" | "v128";

/** Instructions: bytes, and the constants that a function body places. */
export type Code = readonly (number | VectorConstant)[];

/** A vector constant. */
export interface VectorConstant {
  /** Its 16 bytes, lane 0 first. */
  readonly bytes: Bytes;
}

/** Code that leaves a value of type T, or none. */
export interface Expression<T extends ValueType | "none"> {
  /** The type of its value. */
  readonly type: T;
  /** Its instructions. */
  readonly code: Code;
}

/** Number literals are constants: `i32.add(i, 4)`. */
export type Literal<T extends ValueType> = T extends "v128" ? never : number;

/** An operand of an instruction. */
export type Operand<T extends ValueType> = Expression<T> | Literal<T>;

/** The operands of an instruction or function. */
export type Operands<P extends readonly ValueType[]> = {
  [I in keyof P]: Operand<P[I]>;
};

/** An instruction or function with its operand types and the type it leaves. */
export type Operation<
  P extends readonly ValueType[],
  R extends ValueType | "none",
> = (...operands: Operands<P>) => Expression<R>;

/** T → R; the same type when R is not given. */
export type Unary<T extends ValueType, R extends ValueType = T> = Operation<
  [T],
  R
>;

/** T, T → R; the same type when R is not given. */
export type Binary<T extends ValueType, R extends ValueType = T> = Operation<
  [T, T],
  R
>;

/** Opcodes as the specification writes them: a byte, or a prefix and a u32. */
export type Opcode = number | readonly [prefix: number, opcode: number];

/** The bytes of an opcode. */
export function opcodeBytes(opcode: Opcode): Bytes {
  return typeof opcode === "number" ? [opcode] : [opcode[0], ...u32(opcode[1])];
}

/**
 * The code of an operand.
 *
 * @throws {TypeError} When an expression of another type got past TypeScript.
 * @throws {RangeError} When a literal does not fit its type.
 */
export function codeOf<T extends ValueType>(
  type: T,
  operand: Operand<T>,
): Code {
  if (typeof operand === "number") {
    return constantCode(type, operand);
  }
  if (operand.type !== type) {
    throw new TypeError(
      `Cannot take an operand as its type must be ${type}: current value is ${operand.type}`,
    );
  }
  return operand.code;
}

function constantCode(type: ValueType, value: number): Bytes {
  switch (type) {
    case "i32":
      return [0x41, ...s32(value)];
    case "f32":
      return [0x43, ...f32Bytes(value)];
    case "v128":
      throw new TypeError(
        `Cannot take a number as a v128 as its lanes are not known: current value is ${value}`,
      );
  }
}

/** The operation of an opcode: its operands' code, the opcode, immediates. */
export function operation<
  const P extends readonly ValueType[],
  R extends ValueType | "none",
>(
  opcode: Opcode,
  operandTypes: P,
  result: R,
  immediates: Bytes = [],
): Operation<P, R> {
  return (...operands) => ({
    type: result,
    code: [
      ...operandTypes.flatMap((type, i) => codeOf(type, operands[i])),
      ...opcodeBytes(opcode),
      ...immediates,
    ],
  });
}

/** A table of opcodes as operations that all have the same types. */
export function operations<
  Name extends string,
  const P extends readonly ValueType[],
  R extends ValueType | "none",
>(
  opcodes: Readonly<Record<Name, Opcode>>,
  operandTypes: P,
  result: R,
): Record<Name, Operation<P, R>> {
  const made = {} as Record<Name, Operation<P, R>>;
  for (const name in opcodes) {
    made[name] = operation(opcodes[name], operandTypes, result);
  }
  return made;
}

/**
 * The immediates of a memory access: a constant offset from the address, and the
 * natural alignment, which is only a hint.
 *
 * @param offset in bytes, [0, 2³²)
 * @param log2Bytes log₂ of the size of the access, which gives the alignment
 */
export function memoryArgument(offset: number, log2Bytes: number): Bytes {
  return [...u32(log2Bytes), ...u32(offset)];
}

/** Reads a value of type T at address + offset bytes. */
export type Load<T extends ValueType> = (
  address: Operand<"i32">,
  offset?: number,
) => Expression<T>;

/** The load with this opcode; it reads 2^log2Bytes bytes. */
export function load<T extends ValueType>(
  type: T,
  opcode: Opcode,
  log2Bytes: number,
): Load<T> {
  return (address, offset = 0) =>
    operation(opcode, ["i32"], type, memoryArgument(offset, log2Bytes))(
      address,
    );
}

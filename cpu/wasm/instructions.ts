/**
 * Instructions on single numbers: tables of opcodes under the names of the
 * specification (`i32.lt_u` is `i32.ltU`). Vector instructions are in `simd.ts`.
 * Families of operators are complete. Other instructions are listed if a kernel uses
 * them; adding one takes one line.
 *
 * This module is browser compatible.
 */

import {
  type Binary,
  codeOf,
  type Expression,
  type Load,
  load,
  type Operand,
  operation,
  operations,
  type Unary,
  type ValueType,
} from "./expression.ts";

// deno-fmt-ignore
const I32_BINARY = {
  eq: 0x46, ne: 0x47, ltS: 0x48, ltU: 0x49, gtS: 0x4a, gtU: 0x4b, leS: 0x4c,
  leU: 0x4d, geS: 0x4e, geU: 0x4f, add: 0x6a, sub: 0x6b, mul: 0x6c, divS: 0x6d,
  divU: 0x6e, remS: 0x6f, remU: 0x70, and: 0x71, or: 0x72, xor: 0x73, shl: 0x74,
  shrS: 0x75, shrU: 0x76,
} as const;

/** 32-bit integers; also addresses (unsigned) and truth values (0 or 1). */
export const i32:
  & Record<keyof typeof I32_BINARY, Binary<"i32">>
  & {
    const: (value: number) => Expression<"i32">;
    load: Load<"i32">;
    eqz: Unary<"i32">;
    reinterpretF32: Unary<"f32", "i32">;
  } = {
    ...operations(I32_BINARY, ["i32", "i32"], "i32"),
    const: (value) => ({ type: "i32", code: codeOf("i32", value) }),
    load: load("i32", 0x28, 2),
    eqz: operation(0x45, ["i32"], "i32"),
    reinterpretF32: operation(0xbc, ["f32"], "i32"),
  };

// deno-fmt-ignore
const F32_BINARY = {
  add: 0x92, sub: 0x93, mul: 0x94, div: 0x95, min: 0x96, max: 0x97,
} as const;
// deno-fmt-ignore
const F32_COMPARE = {
  eq: 0x5b, ne: 0x5c, lt: 0x5d, gt: 0x5e, le: 0x5f, ge: 0x60,
} as const;

/** 32-bit floats. */
export const f32:
  & Record<keyof typeof F32_BINARY, Binary<"f32">>
  & Record<keyof typeof F32_COMPARE, Binary<"f32", "i32">>
  & {
    const: (value: number) => Expression<"f32">;
    load: Load<"f32">;
    sqrt: Unary<"f32">;
    convertI32U: Unary<"i32", "f32">;
  } = {
    ...operations(F32_BINARY, ["f32", "f32"], "f32"),
    ...operations(F32_COMPARE, ["f32", "f32"], "i32"),
    const: (value) => ({ type: "f32", code: codeOf("f32", value) }),
    load: load("f32", 0x2a, 2),
    sqrt: operation(0x91, ["f32"], "f32"),
    convertI32U: operation(0xb3, ["i32"], "f32"),
  };

/** `condition ? yes : no`, with both evaluated. */
export function select<T extends ValueType>(
  yes: Expression<T>,
  no: Expression<T>,
  condition: Operand<"i32">,
): Expression<T> {
  return {
    type: yes.type,
    code: [...yes.code, ...no.code, ...codeOf("i32", condition), 0x1b],
  };
}

/**
 * Vector instructions (SIMD) on 128 bits: four 32-bit floats or integers, or two
 * 64-bit floats; and the fused multiply-add of relaxed SIMD. They are tables of
 * opcodes under the names of the specification. Families of operators are complete.
 * Other instructions are listed if a kernel uses them; adding one takes one line.
 *
 * This module is browser compatible.
 */

import { type Bytes, f32Bytes, f64Bytes, s32 } from "./encoding.ts";
import {
  type Binary,
  type Expression,
  type Load,
  load,
  type Opcode,
  type Operand,
  type Operation,
  operation,
  operations,
  type Unary,
  type ValueType,
} from "./expression.ts";

/** The prefix of all vector opcodes. */
const SIMD = 0xfd;

/** A vector instruction's opcode. */
const simd = (opcode: number): Opcode => [SIMD, opcode];

/** A table of operations that leave a vector. */
function vectorOperations<
  Name extends string,
  const P extends readonly ValueType[],
>(
  opcodes: Readonly<Record<Name, number>>,
  operandTypes: P,
): Record<Name, Operation<P, "v128">> {
  const prefixed = {} as Record<Name, Opcode>;
  for (const name in opcodes) prefixed[name] = simd(opcodes[name]);
  return operations(prefixed, operandTypes, "v128");
}

const V128_BINARY = { and: 78, andnot: 79, or: 80, xor: 81 } as const;

/** 128 bits of any type. */
export const v128:
  & Record<keyof typeof V128_BINARY, Binary<"v128">>
  & {
    load: Load<"v128">;
    /** Reads 32 bits into all four lanes. */
    load32Splat: Load<"v128">;
    /** Reads 32 bits into lane 0; the others are zero. */
    load32Zero: Load<"v128">;
    /** Reads 64 bits into lanes 0 and 1; the others are zero. */
    load64Zero: Load<"v128">;
    not: Unary<"v128">;
    /** Bits of the first operand where the third, the mask, is set, else the second's. */
    bitselect: Operation<["v128", "v128", "v128"], "v128">;
  } = {
    ...vectorOperations(V128_BINARY, ["v128", "v128"]),
    load: load("v128", simd(0), 4),
    load32Splat: load("v128", simd(9), 2),
    load32Zero: load("v128", simd(92), 2),
    load64Zero: load("v128", simd(93), 3),
    not: operation(simd(77), ["v128"], "v128"),
    bitselect: operation(simd(82), ["v128", "v128", "v128"], "v128"),
  };

// deno-fmt-ignore
const F32X4_BINARY = {
  eq: 65, ne: 66, lt: 67, gt: 68, le: 69, ge: 70,
  add: 228, sub: 229, mul: 230, div: 231, min: 232, max: 233, pmin: 234,
  pmax: 235,
} as const;
// deno-fmt-ignore
const F32X4_UNARY = {
  abs: 224, neg: 225, sqrt: 227, convertI32x4S: 250, demoteF64x2Zero: 94,
} as const;

/** Four 32-bit floats. Comparisons set all bits of a lane, or none. */
export const f32x4:
  & Record<keyof typeof F32X4_BINARY, Binary<"v128">>
  & Record<keyof typeof F32X4_UNARY, Unary<"v128">>
  & {
    /** The same constant in all lanes, or one for each. */
    const: (...lanes: number[]) => Expression<"v128">;
    splat: Unary<"f32", "v128">;
    extractLane: ExtractLane<"f32">;
    /** a · b + c, rounded once or twice, depending on the hardware. */
    relaxedMadd: Operation<["v128", "v128", "v128"], "v128">;
  } = {
    ...vectorOperations(F32X4_BINARY, ["v128", "v128"]),
    ...vectorOperations(F32X4_UNARY, ["v128"]),
    const: (...lanes) => vectorConstant(lanes, f32Bytes),
    splat: operation(simd(19), ["f32"], "v128"),
    extractLane: extractLane("f32", 31),
    relaxedMadd: operation(simd(0x105), ["v128", "v128", "v128"], "v128"),
  };

// deno-fmt-ignore
const F64X2_BINARY = {
  eq: 71, ne: 72, lt: 73, gt: 74, le: 75, ge: 76,
  add: 240, sub: 241, mul: 242, div: 243, min: 244, max: 245, pmin: 246,
  pmax: 247,
} as const;
const F64X2_UNARY = { floor: 117, promoteLowF32x4: 95 } as const;

/** Two 64-bit floats. Comparisons set all bits of a lane, or none. */
export const f64x2:
  & Record<keyof typeof F64X2_BINARY, Binary<"v128">>
  & Record<keyof typeof F64X2_UNARY, Unary<"v128">>
  & {
    /** The same constant in both lanes. */
    const: (value: number) => Expression<"v128">;
  } = {
    ...vectorOperations(F64X2_BINARY, ["v128", "v128"]),
    ...vectorOperations(F64X2_UNARY, ["v128"]),
    const: (value) => ({
      type: "v128",
      code: [{ bytes: [...f64Bytes(value), ...f64Bytes(value)] }],
    }),
  };

// deno-fmt-ignore
const I32X4_BINARY = {
  eq: 55, ne: 56, ltS: 57, ltU: 58, gtS: 59, gtU: 60, leS: 61, leU: 62, geS: 63,
  geU: 64, add: 174, sub: 177, mul: 181, minS: 182, minU: 183, maxS: 184,
  maxU: 185,
} as const;
const I32X4_SHIFT = { shl: 171, shrS: 172, shrU: 173 } as const;

/** Four 32-bit integers. Comparisons set all bits of a lane, or none. */
export const i32x4:
  & Record<keyof typeof I32X4_BINARY, Binary<"v128">>
  & Record<keyof typeof I32X4_SHIFT, Operation<["v128", "i32"], "v128">>
  & {
    /** The same constant in all lanes, or one for each. */
    const: (...lanes: number[]) => Expression<"v128">;
    splat: Unary<"i32", "v128">;
    extractLane: ExtractLane<"i32">;
    /** Truncates two 64-bit floats to lanes 0 and 1; the others are zero. */
    truncSatF64x2SZero: Unary<"v128">;
  } = {
    ...vectorOperations(I32X4_BINARY, ["v128", "v128"]),
    ...vectorOperations(I32X4_SHIFT, ["v128", "i32"]),
    const: (...lanes) => vectorConstant(lanes, int32Bytes),
    splat: operation(simd(17), ["i32"], "v128"),
    extractLane: extractLane("i32", 27),
    truncSatF64x2SZero: operation(simd(252), ["v128"], "v128"),
  };

/**
 * Four lanes chosen of eight: 0 to 3 are the lanes of a, 4 to 7 those of b.
 * `i8x16.shuffle` of the specification, in steps of 32 bits.
 */
export function shuffle32(
  a: Operand<"v128">,
  b: Operand<"v128">,
  lanes: readonly [number, number, number, number],
): Expression<"v128"> {
  const bytes = lanes.flatMap((lane) => {
    checkLane(lane, 8);
    return [0, 1, 2, 3].map((byte) => 4 * lane + byte);
  });
  return operation(simd(13), ["v128", "v128"], "v128", bytes)(a, b);
}

/** Reads one lane, 0 to 3. */
type ExtractLane<T extends ValueType> = (
  vector: Operand<"v128">,
  lane: number,
) => Expression<T>;

function extractLane<T extends ValueType>(
  type: T,
  opcode: number,
): ExtractLane<T> {
  return (vector, lane) =>
    operation(simd(opcode), ["v128"], type, checkLane(lane, 4))(vector);
}

function checkLane(lane: number, lanes: number): Bytes {
  if (Number.isInteger(lane) && lane >= 0 && lane < lanes) return [lane];
  throw new RangeError(
    `Cannot use a lane as it must be an integer in [0, ${lanes}): current value is ${lane}`,
  );
}

function vectorConstant(
  lanes: readonly number[],
  bytes: (value: number) => Bytes,
): Expression<"v128"> {
  if (lanes.length !== 1 && lanes.length !== 4) {
    throw new TypeError(
      `Cannot make a vector constant as it must have 1 or 4 values: current value is ${lanes.length}`,
    );
  }
  const four = [0, 1, 2, 3].map((lane) => lanes[lane % lanes.length]);
  return { type: "v128", code: [{ bytes: four.flatMap(bytes) }] };
}

/** The four bytes of a 32-bit integer. */
function int32Bytes(value: number): Bytes {
  s32(value); // refuses what does not fit
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}

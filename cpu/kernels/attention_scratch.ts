/**
 * The layout of attention's scratch memory, for one sample and one head.
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  type FunctionBody,
  i32,
  type Local,
} from "../assembler.ts";
import { PANEL_COLUMNS, TILE_ROWS } from "./linear_tile.ts";

/** Bytes of a vector. */
export const VECTOR_BYTES = 16;
/** Queries that are computed together. */
export const ROWS: number = TILE_ROWS;
/** Keys of a block of the online softmax; a multiple of a panel. */
export const BLOCK_KEYS = 256;

const SCORES_BYTES = 4 * ROWS * BLOCK_KEYS;
/** Bytes of a vector for each query. */
const STATE_BYTES = VECTOR_BYTES * ROWS;

/** Scores, then weights 2^(score − largest), of a block: [ROWS, keys]. */
export const SCORES = 0;
/** The largest score so far, in four lanes: [ROWS, 4]. */
export const LARGEST: number = SCORES_BYTES;
/** Sum of weights so far, in four parts: [ROWS, 4]. */
export const SUMS: number = LARGEST + STATE_BYTES;
/** Factors by which earlier sums must be rescaled, in four lanes: [ROWS, 4]. */
export const SCALES: number = SUMS + STATE_BYTES;
/** Position ids of the queries: [ROWS]. */
export const POSITIONS: number = SCALES + STATE_BYTES;
/** Start of the parts whose size depends on the input. */
const PARTS = POSITIONS + 32;

/** Addresses of parts whose size depends on the input, and of their end. */
export interface Parts {
  /** Σ weight · value so far, [ROWS, E rounded up to 8]. */
  readonly output: Local<"i32">;
  /** Σ weight · value of one block. */
  readonly product: Local<"i32">;
  /** Panels of 8 keys, [⌈Sk / 8⌉, E, 8]. */
  readonly keys: Local<"i32">;
  /** Panels of 8 columns, [⌈E / 8⌉, Sk rounded up to 8, 8]. */
  readonly values: Local<"i32">;
  /** Position ids, [Sk rounded up to 8]. */
  readonly keyPositions: Local<"i32">;
  /** The smallest and the largest position of a panel, [⌈Sk / 8⌉, 2]. */
  readonly ranges: Local<"i32">;
  /** Queries times log₂ e / √E, [ROWS, E]. */
  readonly queries: Local<"i32">;
  /** End of scratch memory. */
  readonly end: Local<"i32">;
}

/** Finds the parts in scratch memory, given Sk and E. */
export function locateParts(
  body: FunctionBody,
  scratch: Local<"i32">,
  keys: Local<"i32">,
  E: Local<"i32">,
): Parts {
  const paddedKeys = body.let(roundUp(keys));
  const rowsOfE = body.let(i32.mul(roundUp(E), 4 * ROWS));
  let end = body.let(i32.add(scratch, PARTS));
  const part = (bytes: Expression<"i32">): Local<"i32"> => {
    const start = end;
    end = body.let(i32.add(start, bytes));
    return start;
  };
  return {
    output: part(rowsOfE),
    product: part(rowsOfE),
    keys: part(i32.mul(paddedKeys, i32.shl(E, 2))),
    values: part(i32.mul(paddedKeys, i32.shl(roundUp(E), 2))),
    keyPositions: part(i32.shl(paddedKeys, 2)),
    ranges: part(paddedKeys), // two of 4 bytes for 8 keys
    queries: part(rowsOfE),
    end,
  };
}

/** x rounded up to whole panels. */
export function roundUp(x: Expression<"i32">): Expression<"i32"> {
  return i32.and(i32.add(x, PANEL_COLUMNS - 1), -PANEL_COLUMNS);
}

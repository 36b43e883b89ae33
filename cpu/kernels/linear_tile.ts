/**
 * The innermost part of `linear`: a few rows of x times a few panels of packed
 * weights, with all sums in registers.
 *
 * A tile of 6 rows × 1 panel of 8 columns has 12 vectors of sums; two vectors
 * of weights and one of x make 15, and x86-64 has 16 registers, of which V8
 * keeps one to itself. Per element of I it takes 8 loads for 12 multiply-adds,
 * so the arithmetic is what limits it. Fewer rows take more panels, for as many
 * sums: a multiply-add waits for the one before it in the same sum, and only
 * other sums fill that time.
 *
 * x is read in place: packing it too, as most libraries do, was tried and is
 * slower, and so are tiles of 5 × 8, 3 × 12 and 4 × 8. 4 × 12 needs 16 registers
 * for its sums alone, and is slowest by far.
 *
 * This module is browser compatible.
 */

import {
  f32x4,
  type FunctionBody,
  i32,
  type Local,
  type Module,
  type Operation,
  v128,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { advance, pointers, range } from "./pieces.ts";

/** Columns of a panel, two vectors. */
export const PANEL_COLUMNS = 8;
/** Bytes of a panel for each element of I. */
export const PANEL_BYTES: number = 4 * PANEL_COLUMNS;
/** The most rows that a tile has. */
export const TILE_ROWS = 6;

/** Bytes of a vector. */
export const VECTOR_BYTES = 16;
/** Vectors of a panel for each element of I. */
export const VECTORS: number = PANEL_BYTES / VECTOR_BYTES;
/** Elements of I between two tests whether the loop is over. */
const UNROLL = 8;

/**
 * The call of a tile: x [rows, I], w packed [panels, I, 8], out [rows, ·].
 *
 * @param columns how many columns of the panel there are in `out`; only a tile
 * of one panel looks at it
 * @param O floats from one row of `out` to the next
 */
export type Tile = Operation<
  [
    x: "i32",
    w: "i32",
    out: "i32",
    I: "i32",
    O: "i32",
    columns: "i32",
  ],
  "none"
>;

/**
 * Adds the function of a tile to the module. Every sum runs over I from first
 * to last, whatever the shape of the tile, so that a row's result has the same
 * bits with every M.
 */
export function addTile(
  module: Module,
  madd: MultiplyAdd,
  rows: number,
  panels: number,
): Tile {
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(parameters, (body, x, w, out, I, O, columns) => {
    const xRows = pointers(body, x, rows, i32.shl(I, 2));
    const panelBytes = body.let(i32.mul(I, PANEL_BYTES));
    const wPanels = pointers(body, w, panels, panelBytes);
    const sums = table(rows, panels * VECTORS, () => body.local("v128"));

    /** Adds the products of `count` elements of I and moves on by as many. */
    const accumulate = (count: number): void => {
      for (let i = 0; i < count; i++) {
        // What is used once for each row is worth a register of its own.
        const weights = wPanels.flatMap((panel) =>
          range(VECTORS).map((v) => {
            const load = v128.load(panel, i * PANEL_BYTES + v * VECTOR_BYTES);
            return rows > 1 ? body.let(load) : load;
          })
        );
        for (const [r, xR] of xRows.entries()) {
          const element = body.let(v128.load32Splat(xR, 4 * i));
          for (const [n, weight] of weights.entries()) {
            body.set(sums[r][n], madd(element, weight, sums[r][n]));
          }
        }
      }
      for (const xR of xRows) advance(body, xR, 4 * count);
      for (const panel of wPanels) advance(body, panel, count * PANEL_BYTES);
    };
    const end = body.let(i32.add(w, panelBytes));
    const lastFew = i32.and(I, UNROLL - 1);
    const unrolledEnd = body.let(
      i32.sub(end, i32.mul(lastFew, PANEL_BYTES)),
    );
    body.while(i32.ltU(w, unrolledEnd), () => accumulate(UNROLL));
    body.while(i32.ltU(w, end), () => accumulate(1));

    storeSums(body, out, sums, { O, columns });
  });
}

/**
 * Stores the sums of each row of a tile.
 *
 * @param out where the first one goes, O floats from one row to the next
 * @param columns how many there are of the first panel, where it is the only one
 */
export function storeSums(
  body: FunctionBody,
  out: Local<"i32">,
  sums: readonly (readonly Local<"v128">[])[],
  { O, columns }: {
    readonly O: Local<"i32">;
    readonly columns: Local<"i32">;
  },
): void {
  const outRows = pointers(body, out, sums.length, i32.shl(O, 2));
  const storeAll = (): void => {
    for (const [r, outR] of outRows.entries()) {
      for (const [n, sum] of sums[r].entries()) {
        body.store(outR, sum, n * VECTOR_BYTES);
      }
    }
  };
  if (sums[0].length > VECTORS) return storeAll();
  body.if(
    i32.eq(columns, PANEL_COLUMNS),
    storeAll,
    () => storeColumns(body, outRows, sums, columns),
  );
}

/** Stores the first `columns` lanes of each row's sums, less than a panel. */
function storeColumns(
  body: FunctionBody,
  outRows: readonly Local<"i32">[],
  sums: readonly (readonly Local<"v128">[])[],
  columns: Local<"i32">,
): void {
  body.block((done) => {
    for (const column of range(PANEL_COLUMNS - 1)) {
      body.branch(done, i32.leU(columns, column));
      for (const [r, outR] of outRows.entries()) {
        const sum = sums[r][column >> 2];
        body.store(outR, f32x4.extractLane(sum, column & 3), 4 * column);
      }
    }
  });
}

function table<T>(rows: number, columns: number, make: () => T): T[][] {
  return range(rows).map(() => range(columns).map(make));
}

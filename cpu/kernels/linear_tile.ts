/**
 * The innermost loop of `linear`: a few rows of x times a few panels of packed
 * weights, with all sums in registers. For 6 rows and 1 panel:
 *
 * ```text
 * sum[0 .. 6][0 .. 8] = 0                 // 12 vectors of 4 lanes
 * for i = 0 … I − 1:                      // unrolled 8 times
 *   w = panel[i][0 .. 8]                  // 2 vector loads
 *   for r = 0 … 5:
 *     sum[r][0 .. 8] += x[r][i] · w       // 1 broadcast, 2 multiply-adds
 * out[0 .. 6][0 .. 8] = sum
 * ```
 *
 * 12 vectors of sums, 2 of weights and 1 of x make 15 registers. x86-64 has 16, and
 * V8 reserves one. Each i takes 8 loads for 12 multiply-adds, so arithmetic is the
 * limit. With fewer rows a tile takes more panels, to have as many sums: a
 * multiply-add waits for the previous one of its sum, and only other sums fill that
 * time.
 *
 * x is read in place. Packing it too, as most libraries do, was tried and is slower,
 * and so are tiles of 5 × 8, 3 × 12 and 4 × 8. A tile of 4 × 16 needs 16 registers
 * for its sums alone and has 60 % of the speed (docs/kernels.md).
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
/** The most rows of a tile. */
export const TILE_ROWS = 6;

/** Bytes of a vector. */
export const VECTOR_BYTES = 16;
/** Vectors of a panel for each element of I. */
export const VECTORS: number = PANEL_BYTES / VECTOR_BYTES;
/** Elements of I per turn of the unrolled loop. */
const UNROLL = 8;

/**
 * The call of a tile: x [rows, I], w packed [panels, I, 8], out [rows, ·].
 *
 * @param columns columns of the panel that exist in `out`; used only by tiles of one
 * panel
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
 * Adds the function of a tile to the module. Every sum runs over I from first to
 * last, for all shapes of tiles, so that a row's result has the same bits for
 * every M.
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

    /** `count` turns of the loop over i. */
    const accumulate = (count: number): void => {
      for (let i = 0; i < count; i++) {
        // Weights are used once per row: with several rows, keep them in registers.
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
 * @param out address of the first sum; rows are O floats apart
 * @param columns columns of the panel that exist, if there is only one panel
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

/**
 * `linear` of the CPU backend: x · weightᵀ and its epilogue.
 *
 * ```text
 * for each block of panels:             // 256 KiB of weights: second-level cache
 *   unpack the block to floats          // only quantised weights and M > 1
 *   for row = 0, 6, 12, … < M:          // 6 rows of x: first-level cache
 *     for each tile of the block:       // linear_tile.ts: sums in registers
 *       out[row .. row + 6, tile] = x[row .. row + 6, :] · weight[tile, :]ᵀ
 *     finish(out[row .. row + 6, block])    // linear_finish.ts
 * ```
 *
 * Weights are packed once into panels of 8 outputs (see `linear_pack.ts`). With
 * up to 6 rows, one pass over the weights is limited by memory, so the block is
 * the whole weight. A single row reads quantised weights without unpacking them
 * first (`linear_narrow.ts`).
 *
 * On every path, a sum runs over the inputs from first to last in one
 * accumulator. So a row of the output has the same bits for every M and in every
 * batch.
 *
 * Dimensions: M rows of x, I input features, O output features.
 *
 * This module is browser compatible.
 */

import type { Activation } from "../../core/backend.ts";
import type { WeightType } from "../../core/checkpoints/quantize.ts";
import {
  type Expression,
  type FunctionBody,
  i32,
  type Module,
  type Operation,
  select,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { addFinish, type Finish } from "./linear_finish.ts";
import {
  addNarrowRow,
  addUnpack,
  panelBytes,
  type Unpack,
} from "./linear_narrow.ts";
import type { NarrowType } from "./linear_pack.ts";
import {
  addTile,
  PANEL_BYTES,
  PANEL_COLUMNS,
  type Tile,
  TILE_ROWS,
} from "./linear_tile.ts";
import type { VectorMath } from "./math.ts";
import { maximum, minimum, range } from "./pieces.ts";

/** Activations by their codes in the call of `linear`. */
const ACTIVATIONS: readonly (Activation | undefined)[] = [
  undefined,
  "gelu",
  "gelu_tanh",
  "quick_gelu",
];

/** The code of an activation in the call of `linear`. */
export function activationCode(activation?: Activation): number {
  return ACTIVATIONS.indexOf(activation);
}

/**
 * Bytes of packed weights in a block: half of a second-level cache of 512 KiB, the
 * smallest of current processors.
 */
const BLOCK_BYTES = 2 ** 18;

/** Quantised panels that one row is multiplied with at the same time. */
const NARROW_PANELS = 2;

/**
 * Bytes of scratch memory of `linear`: room for one block of quantised weights,
 * unpacked to floats.
 */
export function linearScratch(
  type: WeightType,
  M: number,
  [O, I]: readonly number[],
): number {
  if (type === "f32" || M === 1) return 0;
  const panels = Math.max(1, Math.floor(BLOCK_BYTES / (I * PANEL_BYTES)));
  return Math.min(panels, Math.ceil(O / PANEL_COLUMNS)) * I * PANEL_BYTES;
}

/**
 * The call of `linear`. All parameters are addresses, except M, I, O and activation
 * (see `activationCode`). Address 0 means no bias, gate or residual.
 *
 * @param x shape [M, I]
 * @param w packed weights
 * @param out shape [M, O]
 * @param bias shape [O]
 * @param gate shape [M, O]
 * @param residual shape [M, O]
 * @param scratch `linearScratch` bytes
 */
export type Linear = Operation<
  [
    x: "i32",
    w: "i32",
    out: "i32",
    M: "i32",
    I: "i32",
    O: "i32",
    bias: "i32",
    activation: "i32",
    gate: "i32",
    residual: "i32",
    scratch: "i32",
  ],
  "none"
>;

// deno-fmt-ignore
const PARAMETERS = [
  "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
] as const;

/** Options of `linear`. */
export interface LinearSpec {
  /** The functions of which activations consist. */
  readonly math: VectorMath;
  /** How weights are packed. */
  readonly weightType: WeightType;
}

/** Adds `linear` to the module and exports it under that name. */
export function addLinear(
  module: Module,
  madd: MultiplyAdd,
  { math, weightType }: LinearSpec,
): Linear {
  const strips = range(TILE_ROWS).map((i) =>
    addFloatStrip(module, madd, i + 1)
  );
  const finishes = ACTIVATIONS.map((activation) =>
    addFinish(module, math, activation && math.activations[activation])
  );
  if (weightType === "f32") {
    return addBlocks(module, { strips, finishes }, "linear");
  }
  const row = addNarrowStrip(module, madd, weightType);
  const unpack = addUnpack(module, weightType);
  const ofOne = addBlocks(module, { strips: [row], finishes });
  const ofMany = addBlocks(module, {
    strips,
    finishes,
    unpacked: { unpack, type: weightType },
  });
  return module.function(PARAMETERS, (body, ...parameters) => {
    const [, , , M] = parameters;
    body.if(
      i32.eq(M, 1),
      () => body.do(ofOne(...parameters)),
      () => body.do(ofMany(...parameters)),
    );
  }, "linear");
}

/** The steps of `addBlocks`. */
interface Steps {
  /** Strips for 1 row, 2 rows, …, up to the most that are needed. */
  readonly strips: readonly Tile[];
  /** Epilogues by activation code. */
  readonly finishes: readonly Finish[];
  /** How each block is unpacked; left out if weights are floats or M is 1. */
  readonly unpacked?: { readonly unpack: Unpack; readonly type: NarrowType };
}

/** Adds the loop over blocks, the outer loop above. */
function addBlocks(
  module: Module,
  { strips, finishes, unpacked }: Steps,
  exportAs?: string,
): Linear {
  return module.function(
    PARAMETERS,
    (body, x, w, out, M, I, O, bias, activation, gate, residual, scratch) => {
      const blockPanels = i32.divU(BLOCK_BYTES, i32.mul(I, PANEL_BYTES));
      const blockColumns = body.let(
        i32.mul(maximum(blockPanels, i32.const(1)), PANEL_COLUMNS),
      );
      // Weights that are read only once need not stay in the cache.
      if (!unpacked) {
        body.if(i32.leU(M, TILE_ROWS), () => body.set(blockColumns, O));
      }
      const finishing = body.let(
        i32.or(i32.or(bias, activation), i32.or(gate, residual)),
      );
      const column = body.local("i32");
      const row = body.local("i32");
      body.for(column, { from: 0, to: O, step: blockColumns }, () => {
        const columns = body.let(minimum(i32.sub(O, column), blockColumns));
        const panel = i32.divU(column, PANEL_COLUMNS);
        const block = body.let(
          i32.add(w, i32.mul(panel, panelBytes(unpacked?.type ?? "f32", I))),
        );
        if (unpacked) {
          body.do(unpacked.unpack(scratch, block, I, columns));
          body.set(block, scratch);
        }
        body.for(row, { from: 0, to: M, step: TILE_ROWS }, () => {
          const rows = body.let(
            minimum(i32.sub(M, row), i32.const(TILE_ROWS)),
          );
          const xR = body.let(i32.add(x, i32.shl(i32.mul(row, I), 2)));
          const offset = body.let(
            i32.shl(i32.add(i32.mul(row, O), column), 2),
          );
          const outR = body.let(i32.add(out, offset));
          choose(
            body,
            i32.sub(rows, 1),
            strips.map((strip) => strip(xR, block, outR, I, O, columns)),
          );
          body.if(finishing, () => {
            const biasC = moved(bias, i32.shl(column, 2));
            const gateR = moved(gate, offset);
            const residualR = moved(residual, offset);
            choose(
              body,
              activation,
              finishes.map((finish) =>
                finish(outR, rows, columns, O, biasC, gateR, residualR)
              ),
            );
          });
        });
      });
    },
    exportAs,
  );
}

/** Adds a strip of `rows` rows over panels of floats. */
function addFloatStrip(module: Module, madd: MultiplyAdd, rows: number): Tile {
  const panels = Math.floor(TILE_ROWS / rows);
  return addStrip(module, {
    panels,
    type: "f32",
    single: addTile(module, madd, rows, 1),
    several: panels > 1 ? addTile(module, madd, rows, panels) : undefined,
  });
}

/** Adds the strip of one row over quantised panels. */
function addNarrowStrip(
  module: Module,
  madd: MultiplyAdd,
  type: NarrowType,
): Tile {
  return addStrip(module, {
    panels: NARROW_PANELS,
    type,
    single: addNarrowRow(module, madd, { type, panels: 1 }),
    several: addNarrowRow(module, madd, { type, panels: NARROW_PANELS }),
  });
}

/** The tiles of a strip. */
interface Strip {
  /** How the panels are packed. */
  readonly type: WeightType;
  /** The tile of one panel. */
  readonly single: Tile;
  /** The tile of several panels, or undefined. */
  readonly several: Tile | undefined;
  /** Panels of that tile. */
  readonly panels: number;
}

/**
 * Adds a strip, which multiplies a few rows of x with a block of panels:
 *
 * ```text
 * while columns ≥ 8 · panels: several(…); move w and out by `panels` panels
 * while columns > 0:          single(…);  move w and out by one panel
 * ```
 *
 * Its parameters are those of a tile; `columns` may be any number.
 */
function addStrip(
  module: Module,
  { type, single, several, panels }: Strip,
): Tile {
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(parameters, (body, x, w, out, I, O, columns) => {
    const stride = body.let(panelBytes(type, I));
    const goOn = (panels: number): void => {
      body.set(w, i32.add(w, i32.mul(stride, panels)));
      body.set(out, i32.add(out, panels * PANEL_BYTES));
      body.set(columns, i32.sub(columns, panels * PANEL_COLUMNS));
    };
    if (several) {
      body.while(i32.geU(columns, panels * PANEL_COLUMNS), () => {
        body.do(several(x, w, out, I, O, columns));
        goOn(panels);
      });
    }
    const lastPanel = body.local("i32");
    body.while(i32.gtS(columns, 0), () => {
      body.set(lastPanel, minimum(columns, i32.const(PANEL_COLUMNS)));
      body.do(single(x, w, out, I, O, lastPanel));
      goOn(1);
    });
  });
}

/** Switch: makes the call with this index. */
function choose(
  body: FunctionBody,
  number: Expression<"i32">,
  calls: readonly Expression<"none">[],
): void {
  for (const [i, call] of calls.entries()) {
    body.if(i32.eq(number, i), () => body.do(call));
  }
}

/** address + bytes, or 0 if the address is 0. */
function moved(
  address: Expression<"i32">,
  bytes: Expression<"i32">,
): Expression<"i32"> {
  return select(i32.add(address, bytes), i32.const(0), address);
}

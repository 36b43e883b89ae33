/**
 * `linear` of the CPU backend: x · weightᵀ with everything that may follow it.
 *
 * Weights are packed once into panels of 8 outputs (see `linear_pack.ts`). The
 * output is made block by block: as many panels as stay in the second-level
 * cache, and over them 6 rows of x at a time, which stay in the first. With few
 * rows there is one pass over the weights, and memory is what limits it: one row
 * reads weights in fewer bits as they are, more rows read a block of them that
 * was unpacked to floats.
 *
 * Whatever the path, a sum runs over the inputs from first to last, in one
 * accumulator. So a row of the output has the same bits with every M and
 * whatever rows are beside it.
 *
 * Dimensions: M rows of x, I input features, O output features.
 *
 * This module is browser compatible.
 */

import type { Activation } from "../../core/backend.ts";
import type { WeightType } from "../../core/quantize.ts";
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

/** By the number that stands for them in the call of `linear`. */
const ACTIVATIONS: readonly (Activation | undefined)[] = [
  undefined,
  "gelu",
  "gelu_tanh",
  "quick_gelu",
];

/** How `linear` is told the activation. */
export function activationCode(activation?: Activation): number {
  return ACTIVATIONS.indexOf(activation);
}

/**
 * Bytes of packed weights that rows of x pass over before the next ones: half
 * of a second-level cache of 512 KiB, the smallest of current processors.
 */
const BLOCK_BYTES = 2 ** 18;

/** Panels in fewer bits that one row is multiplied with side by side. */
const NARROW_PANELS = 2;

/**
 * Bytes of scratch memory that `linear` takes: many rows times weights in fewer
 * bits unpack these to it, block by block.
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
 * The call of `linear`. All are addresses but M, I, O and activation (see
 * `activationCode`); 0 stands for a bias, gate or residual that is not there.
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

/** What `linear` is made of. */
export interface LinearSpec {
  /** What activations are made of. */
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

/** How `addBlocks` multiplies, and what it does before and after. */
interface Steps {
  /** For 1 row, 2 rows, …; as many as M may need. */
  readonly strips: readonly Tile[];
  /** By activation. */
  readonly finishes: readonly Finish[];
  /** Where each block is unpacked before. */
  readonly unpacked?: { readonly unpack: Unpack; readonly type: NarrowType };
}

/** Adds `linear` block by block. */
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
      // What is passed over only once need not stay in the cache.
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

/** Adds the strip of a few rows and panels of floats. */
function addFloatStrip(module: Module, madd: MultiplyAdd, rows: number): Tile {
  const panels = Math.floor(TILE_ROWS / rows);
  return addStrip(module, {
    panels,
    type: "f32",
    single: addTile(module, madd, rows, 1),
    several: panels > 1 ? addTile(module, madd, rows, panels) : undefined,
  });
}

/** Adds the strip of one row and panels that are packed in fewer bits. */
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

/** What a strip is made of. */
interface Strip {
  /** How the panels are packed. */
  readonly type: WeightType;
  /** The tile of one panel. */
  readonly single: Tile;
  /** The tile of several panels, if there is one. */
  readonly several: Tile | undefined;
  /** How many. */
  readonly panels: number;
}

/**
 * Adds the function that multiplies a few rows of x with a block of panels.
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

/** Makes the call whose place in the list is the number. */
function choose(
  body: FunctionBody,
  number: Expression<"i32">,
  calls: readonly Expression<"none">[],
): void {
  for (const [i, call] of calls.entries()) {
    body.if(i32.eq(number, i), () => body.do(call));
  }
}

/** The address so many bytes further, or 0 where there is none. */
function moved(
  address: Expression<"i32">,
  bytes: Expression<"i32">,
): Expression<"i32"> {
  return select(i32.add(address, bytes), i32.const(0), address);
}

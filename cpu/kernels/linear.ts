/**
 * `linear` of the CPU backend: x · weightᵀ with everything that may follow it.
 *
 * Weights are packed once into panels of 8 outputs, so that the inner loop
 * reads one stream of memory. The output is made block by block: as many
 * panels as stay in the second-level cache, and over them 6 rows of x at a
 * time, which stay in the first. With few rows there is one pass over the
 * weights, and memory is what limits it.
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
import {
  type Expression,
  type FunctionBody,
  i32,
  type Module,
  type Operation,
  select,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { addFinish } from "./linear_finish.ts";
import {
  addTile,
  PANEL_BYTES,
  PANEL_COLUMNS,
  type Tile,
  TILE_ROWS,
} from "./linear_tile.ts";
import type { VectorMath } from "./math.ts";

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

/** Floats that packed weights [O, I] take. */
export function packedSize(O: number, I: number): number {
  return Math.ceil(O / PANEL_COLUMNS) * PANEL_COLUMNS * I;
}

/**
 * Packs weights into panels: for every 8 outputs the 8 weights of the first
 * input, the 8 of the second, and so on. Outputs past the last are zero.
 *
 * @param weight shape [O, I]
 * @param packed shape [⌈O / 8⌉, I, 8], overwritten
 */
export function packWeight(
  packed: Float32Array,
  weight: Float32Array,
  O: number,
  I: number,
): void {
  packed.fill(0);
  for (let o = 0; o < O; o++) {
    const lane = o % PANEL_COLUMNS;
    const panel = (o - lane) * I;
    for (let i = 0; i < I; i++) {
      packed[panel + i * PANEL_COLUMNS + lane] = weight[o * I + i];
    }
  }
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
  ],
  "none"
>;

/** Adds `linear` to the module and exports it under that name. */
export function addLinear(
  module: Module,
  madd: MultiplyAdd,
  math: VectorMath,
): Linear {
  const strips = Array.from(
    { length: TILE_ROWS },
    (_, i) => addStrip(module, madd, i + 1),
  );
  const finishes = ACTIVATIONS.map((activation) =>
    addFinish(module, math, activation && math.activations[activation])
  );
  // deno-fmt-ignore
  const parameters = [
    "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
  ] as const;
  return module.function(
    parameters,
    (body, x, w, out, M, I, O, bias, activation, gate, residual) => {
      const blockPanels = i32.divU(BLOCK_BYTES, i32.mul(I, PANEL_BYTES));
      const blockColumns = body.let(
        i32.mul(maximum(blockPanels, i32.const(1)), PANEL_COLUMNS),
      );
      // What is passed over only once need not stay in the cache.
      body.if(i32.leU(M, TILE_ROWS), () => body.set(blockColumns, O));
      const finishing = body.let(
        i32.or(i32.or(bias, activation), i32.or(gate, residual)),
      );
      const column = body.local("i32");
      const row = body.local("i32");
      body.for(column, { from: 0, to: O, step: blockColumns }, () => {
        const columns = body.let(minimum(i32.sub(O, column), blockColumns));
        const block = body.let(
          i32.add(w, i32.shl(i32.mul(column, I), 2)),
        );
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
    "linear",
  );
}

/**
 * Adds the function that multiplies a few rows of x with a block of panels.
 * Its parameters are those of a tile; `columns` may be any number.
 */
function addStrip(module: Module, madd: MultiplyAdd, rows: number): Tile {
  const panels = Math.floor(TILE_ROWS / rows);
  const single = addTile(module, madd, rows, 1);
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(parameters, (body, x, w, out, I, O, columns) => {
    const goOn = (panels: number): void => {
      body.set(w, i32.add(w, i32.mul(I, panels * PANEL_BYTES)));
      body.set(out, i32.add(out, panels * PANEL_BYTES));
      body.set(columns, i32.sub(columns, panels * PANEL_COLUMNS));
    };
    if (panels > 1) {
      const several = addTile(module, madd, rows, panels);
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

function minimum(
  a: Expression<"i32">,
  b: Expression<"i32">,
): Expression<"i32"> {
  return select(a, b, i32.ltU(a, b));
}

function maximum(
  a: Expression<"i32">,
  b: Expression<"i32">,
): Expression<"i32"> {
  return select(a, b, i32.gtU(a, b));
}

/**
 * Packed weights of 16, 8 and 4 bits (see `linear_pack.ts`) in WebAssembly: one
 * row times such weights as they are, and panels of them unpacked to floats.
 *
 * Both make of a weight what `core/quantize.ts` says that it is, rounded to a
 * float, and the row adds up its products as a tile does: the results have the
 * same bits.
 *
 * This module is browser compatible.
 */

import { WEIGHT_BITS, type WeightType } from "../../core/quantize.ts";
import {
  type Expression,
  f32x4,
  type FunctionBody,
  i32,
  i32x4,
  type Local,
  type Module,
  type Operand,
  type Operation,
  v128,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import {
  CHUNK,
  chunkBytes,
  groupInputs,
  type NarrowType,
} from "./linear_pack.ts";
import {
  PANEL_BYTES,
  PANEL_COLUMNS,
  storeSums,
  type Tile,
  VECTOR_BYTES,
  VECTORS,
} from "./linear_tile.ts";
import type { Vector } from "./math.ts";
import { advance, minimum, pointers, range } from "./pieces.ts";

/** Bytes of a packed panel. */
export function panelBytes(
  type: WeightType,
  I: Expression<"i32">,
): Expression<"i32"> {
  if (type === "f32") return i32.mul(I, PANEL_BYTES);
  const of = (inputs: number): Expression<"i32"> =>
    i32.divU(i32.add(I, inputs - 1), inputs);
  const group = groupInputs(type);
  return i32.add(
    i32.mul(group === null ? 1 : of(group), PANEL_BYTES),
    i32.mul(of(CHUNK), chunkBytes(type)),
  );
}

/**
 * Four weights, one of each word, as floats that are yet to be scaled.
 *
 * Integers are shifted up, to lose what is above them, and down again, which
 * repeats the sign. Halves are shifted to where a float has its exponent and
 * fraction; that exponent counts from 127 instead of 15, so that the float is
 * 2¹¹² times too small. A half of exponent 0, a subnormal, becomes a subnormal
 * float that is too small by the same factor: with it all are exact.
 */
function widen(type: NarrowType, word: Vector, place: number): Vector {
  const bits = WEIGHT_BITS[type];
  const above = 32 - bits * (place + 1);
  const top = above > 0 ? i32x4.shl(word, above) : word;
  return type === "f16"
    ? v128.and(i32x4.shrS(top, 3), i32x4.const(HALF_BITS))
    : f32x4.convertI32x4S(i32x4.shrS(top, 32 - bits));
}

/** Sign, exponent and fraction of a half that was shifted down by 3. */
const HALF_BITS = 0x8fffe000 | 0;

/** What is done with the weights of panels, input by input. */
interface Visitor {
  /** Takes the weights of input `i` of those at hand, VECTORS for each panel. */
  readonly visit: (i: number, weights: readonly Vector[]) => void;
  /** Moves on by so many inputs. */
  readonly moveOn: (inputs: Operand<"i32">) => void;
}

/** Walks over panels from the first input to the last. */
function walk(
  body: FunctionBody,
  type: NarrowType,
  panels: readonly Local<"i32">[],
  I: Local<"i32">,
  { visit, moveOn }: Visitor,
): void {
  const places = 32 / WEIGHT_BITS[type];
  const group = groupInputs(type);
  const loadRow = (offset: number): Local<"v128">[] =>
    panels.flatMap((panel) =>
      range(VECTORS).map((v) =>
        body.let(v128.load(panel, offset + v * VECTOR_BYTES))
      )
    );
  const skip = (bytes: number): void => {
    for (const panel of panels) advance(body, panel, bytes);
  };
  const left = body.let(I);
  const inputs = body.local("i32");
  body.while(left, () => {
    body.set(inputs, group === null ? left : minimum(left, i32.const(group)));
    body.set(left, i32.sub(left, inputs));
    const scales = loadRow(0);
    skip(PANEL_BYTES);

    /** Visits the inputs of a chunk; `before` may leave when there are no more. */
    const chunk = (before: (i: number) => void): void => {
      for (const row of range(CHUNK / places)) {
        const words = loadRow(row * PANEL_BYTES);
        for (const place of range(places)) {
          const i = row * places + place;
          before(i);
          const weights = words.map((word, n) =>
            f32x4.mul(widen(type, word, place), scales[n])
          );
          visit(i, weights);
        }
      }
    };
    body.while(i32.geU(inputs, CHUNK), () => {
      chunk(() => {});
      skip(chunkBytes(type));
      moveOn(CHUNK);
      body.set(inputs, i32.sub(inputs, CHUNK));
    });
    // The last group may have a rest.
    body.if(inputs, () => {
      body.block((done) => chunk((i) => body.branch(done, i32.leU(inputs, i))));
      skip(chunkBytes(type));
      moveOn(inputs);
    });
  });
}

/**
 * Adds the function that multiplies one row of x with panels side by side. Its
 * parameters are those of a tile, w being packed weights of the type.
 */
export function addNarrowRow(
  module: Module,
  madd: MultiplyAdd,
  { type, panels }: { readonly type: NarrowType; readonly panels: number },
): Tile {
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(parameters, (body, x, w, out, I, O, columns) => {
    const stride = body.let(panelBytes(type, I));
    const sums = range(panels * VECTORS).map(() => body.local("v128"));
    walk(body, type, pointers(body, w, panels, stride), I, {
      visit(i, weights) {
        const element = body.let(v128.load32Splat(x, 4 * i));
        for (const [n, sum] of sums.entries()) {
          body.set(sum, madd(element, weights[n], sum));
        }
      },
      moveOn: (inputs) => advance(body, x, i32.mul(inputs, 4)),
    });
    storeSums(body, out, [sums], { O, columns });
  });
}

/**
 * The call that unpacks panels to floats.
 *
 * @param out shape [panels, I, 8], overwritten
 * @param w packed weights
 * @param columns outputs of these panels; the last panel may have less than 8
 */
export type Unpack = Operation<
  [out: "i32", w: "i32", I: "i32", columns: "i32"],
  "none"
>;

/** Adds the function that unpacks panels of a type to the module. */
export function addUnpack(module: Module, type: NarrowType): Unpack {
  const parameters = ["i32", "i32", "i32", "i32"] as const;
  return module.function(parameters, (body, out, w, I, columns) => {
    const column = body.local("i32");
    body.for(column, { from: 0, to: columns, step: PANEL_COLUMNS }, () => {
      walk(body, type, [w], I, {
        visit(i, weights) {
          for (const [v, weight] of weights.entries()) {
            body.store(out, weight, i * PANEL_BYTES + v * VECTOR_BYTES);
          }
        },
        moveOn: (inputs) => advance(body, out, i32.mul(inputs, PANEL_BYTES)),
      });
    });
  });
}

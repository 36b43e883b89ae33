/**
 * Packed weights of 16, 8 and 4 bits (see `linear_pack.ts`): the product with one
 * row, and unpacking to floats. Both walk over panels in the same way:
 *
 * ```text
 * for each group of inputs that share scales:
 *   scale[0 .. 8] = 8 floats
 *   for each chunk of 8 inputs, for each word of it, for each weight i in the word:
 *     w[0 .. 8] = float(bits i of the 8 words) · scale
 *     visit: sum[0 .. 8] += x[i] · w      // or, to unpack: out[i][0 .. 8] = w
 * ```
 *
 * Both compute a weight as `core/checkpoints/quantize.ts` defines it, rounded to a float. The
 * product sums in the order of a tile. So all paths give the same bits.
 *
 * This module is browser compatible.
 */

import {
  WEIGHT_BITS,
  type WeightType,
} from "../../core/checkpoints/quantize.ts";
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
 * Four weights, one from each word, as floats that are not scaled yet.
 *
 * Integers are shifted up, which drops the bits above them, and down again, which
 * extends the sign. Halves are shifted to the position of exponent and fraction of
 * a float. As the exponent bias of a float is 127 instead of 15, the float is 2¹¹²
 * times too small, and the scale contains that factor. A subnormal half becomes a
 * subnormal float with the same factor, so all values are exact.
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

/** The action of `walk` on each input's weights. */
interface Visitor {
  /** Uses the weights of input `i` of the chunk, VECTORS for each panel. */
  readonly visit: (i: number, weights: readonly Vector[]) => void;
  /** Advances the visitor's pointers by so many inputs. */
  readonly moveOn: (inputs: Operand<"i32">) => void;
}

/** The loop over the inputs of panels, as above. */
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

    /** Visits the inputs of a chunk; `before` may leave before one of them. */
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
    // The rest of the last group, less than a chunk.
    body.if(inputs, () => {
      body.block((done) => chunk((i) => body.branch(done, i32.leU(inputs, i))));
      skip(chunkBytes(type));
      moveOn(inputs);
    });
  });
}

/**
 * Adds the product of one row of x with `panels` panels at the same time. The
 * parameters are those of a tile, where w are packed weights of the type.
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
 * @param columns outputs of these panels; the last panel may have fewer than 8
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

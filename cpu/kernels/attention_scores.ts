/**
 * `attentionScores` of the CPU backend, for one sample: how much attention
 * chosen keys receive. The scores are computed twice, first for the largest and
 * the sum of each row, then for the weights: chosen queries are few.
 *
 * Dimensions: Sk keys, H query heads, K key heads, E head width.
 *
 * This module is browser compatible.
 */

import {
  f32,
  f32x4,
  type FunctionBody,
  i32,
  type Local,
  type Module,
  v128,
} from "../assembler.ts";
import type { SoftmaxBlock } from "./attention_block.ts";
import { LARGEST, SUMS, VECTOR_BYTES } from "./attention_scratch.ts";
import {
  type AttentionSteps,
  forEachTurn,
  rowsLeft,
} from "./attention_turns.ts";
import { combineLanes } from "./lanes.ts";
import type { VectorMath } from "./math.ts";

/**
 * Adds attentionScores(out, q, k, queryPositions, keyPositions, scratch,
 * firstRow, endRow, firstColumn, columns, Sk, H, K, E), whose `out` must be
 * zero.
 */
export function addAttentionScores(
  module: Module,
  steps: AttentionSteps,
  softmaxBlock: SoftmaxBlock,
  math: VectorMath,
): void {
  // deno-fmt-ignore
  const parameters = [
    "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
    "i32", "i32", "i32",
  ] as const;
  module.function(
    parameters,
    // deno-fmt-ignore
    (body, out, q, k, queryPositions, keyPositions, scratch, firstRow, endRow,
      firstColumn, columns, Sk, H, K, E) => {
      const turns = { from: firstRow, to: endRow };
      const inputs = {
        ...{ q, k, queryPositions, keyPositions, scratch, Sk, H, K, E },
      };
      forEachTurn(body, steps, inputs, turns, (turn) => {
        turn.forEachBlock(({ count }) =>
          body.do(softmaxBlock(scratch, count))
        );
        turn.forEachBlock(({ start, count }) =>
          addWeights(body, math, {
            ...{ out, scratch, start, count, firstColumn, columns, H },
            rows: body.let(rowsLeft(turn.first, endRow)),
          })
        );
      });
    },
    "attentionScores",
  );
}

/**
 * Adds the weights of the first `rows` queries, divided by their sums and by H,
 * to `out`, for the columns of the block that are asked for.
 */
function addWeights(
  body: FunctionBody,
  { exp2 }: VectorMath,
  { out, scratch, start, count, firstColumn, columns, H, rows }: Record<
    | "out"
    | "scratch"
    | "start"
    | "count"
    | "firstColumn"
    | "columns"
    | "H"
    | "rows",
    Local<"i32">
  >,
): void {
  const heads = body.let(f32x4.splat(f32.convertI32U(H)));
  const scores = body.let(scratch);
  const state = body.let(scratch);
  const at = body.local("i32");
  const column = body.local("i32");
  body.while(rows, () => {
    const sum = combineLanes(body, v128.load(state, SUMS), f32x4.add);
    const share = body.let(
      f32x4.div(f32x4.const(1), f32x4.mul(sum, heads)),
    );
    const largest = body.let(v128.load(state, LARGEST));
    body.for(at, { from: 0, to: count }, () => {
      // Unsigned, what is before the first column is far behind the last.
      body.set(column, i32.sub(i32.add(start, at), firstColumn));
      body.if(i32.ltU(column, columns), () => {
        const score = v128.load32Splat(i32.add(scores, i32.shl(at, 2)));
        const weight = f32x4.mul(exp2(body, f32x4.sub(score, largest)), share);
        const place = i32.add(out, i32.shl(column, 2));
        body.store(
          place,
          f32.add(f32.load(place), f32x4.extractLane(weight, 0)),
        );
      });
    });
    body.set(scores, i32.add(scores, i32.shl(count, 2)));
    body.set(state, i32.add(state, VECTOR_BYTES));
    body.set(rows, i32.sub(rows, 1));
  });
}

/**
 * `attentionScores` of the CPU backend, for one sample: how much attention chosen
 * keys receive.
 *
 * ```text
 * for each query head, for each 6 of the chosen queries:
 *   for each block of keys: update largest and sum of each row    // softmaxBlock
 *   for each block of keys again:                                 // addWeights
 *     out[n] += 2^(score[n] − largest) / (sum · H) · query's weight
 * ```
 *
 * The scores are computed twice, which is cheap because chosen queries are few.
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
 * weights, firstRow, endRow, firstColumn, columns, Sk, H, K, E).
 *
 * `weights` are the query rows' own, [rows], or 0. `out` must be zero.
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
    "i32", "i32", "i32", "i32",
  ] as const;
  module.function(
    parameters,
    // deno-fmt-ignore
    (body, out, q, k, queryPositions, keyPositions, scratch, weights, firstRow,
      endRow, firstColumn, columns, Sk, H, K, E) => {
      const turns = { from: firstRow, to: endRow };
      const inputs = { q, k, queryPositions, keyPositions, scratch, Sk, H, K, E };
      forEachTurn(body, steps, inputs, turns, (turn) => {
        turn.forEachBlock(({ count }) =>
          body.do(softmaxBlock(scratch, count))
        );
        turn.forEachBlock(({ start, count }) =>
          addWeights(body, math, {
            out,
            scratch,
            weights,
            start,
            count,
            firstColumn,
            columns,
            H,
            row: body.let(i32.sub(turn.first, firstRow)),
            rows: body.let(rowsLeft(turn.first, endRow)),
          })
        );
      });
    },
    "attentionScores",
  );
}

/**
 * Adds the attention of `rows` queries, from row `row` on, to the scored columns
 * in `out`: weight / (sum of weights · H), times the query's own weight.
 */
function addWeights(
  body: FunctionBody,
  { exp2 }: VectorMath,
  {
    out,
    scratch,
    weights,
    start,
    count,
    firstColumn,
    columns,
    H,
    row,
    rows,
  }: Record<
    | "out"
    | "scratch"
    | "weights"
    | "start"
    | "count"
    | "firstColumn"
    | "columns"
    | "H"
    | "row"
    | "rows",
    Local<"i32">
  >,
): void {
  const heads = body.let(f32.convertI32U(H));
  const scores = body.let(scratch);
  const state = body.let(scratch);
  const at = body.local("i32");
  const column = body.local("i32");
  const own = body.let(f32.const(1));
  body.while(rows, () => {
    body.if(weights, () => {
      body.set(own, f32.load(i32.add(weights, i32.shl(row, 2))));
    });
    const sum = combineLanes(body, v128.load(state, SUMS), f32x4.add);
    const share = body.let(
      f32x4.div(
        f32x4.splat(own),
        f32x4.mul(sum, f32x4.splat(heads)),
      ),
    );
    const most = body.let(v128.load(state, LARGEST));
    body.for(at, { from: 0, to: count }, () => {
      // Unsigned, columns before the first wrap around to large numbers.
      body.set(column, i32.sub(i32.add(start, at), firstColumn));
      body.if(i32.ltU(column, columns), () => {
        const score = v128.load32Splat(i32.add(scores, i32.shl(at, 2)));
        const weight = body.let(
          f32x4.extractLane(
            f32x4.mul(exp2(body, f32x4.sub(score, most)), share),
            0,
          ),
        );
        const place = body.let(i32.add(out, i32.shl(column, 2)));
        body.store(place, f32.add(f32.load(place), weight));
      });
    });
    body.set(row, i32.add(row, 1));
    body.set(scores, i32.add(scores, i32.shl(count, 2)));
    body.set(state, i32.add(state, VECTOR_BYTES));
    body.set(rows, i32.sub(rows, 1));
  });
}

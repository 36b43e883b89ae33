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
  select,
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
 * weights, largest, firstRow, endRow, firstColumn, columns, Sk, H, K, E).
 *
 * `weights` are the query rows' own, [rows], or 0. Where not the mean over the
 * heads counts but the largest of them, `largest` is memory for it, [rows,
 * columns]; else 0. It and `out` must be zero.
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
    "i32", "i32", "i32", "i32", "i32",
  ] as const;
  module.function(
    parameters,
    // deno-fmt-ignore
    (body, out, q, k, queryPositions, keyPositions, scratch, weights, largest,
      firstRow, endRow, firstColumn, columns, Sk, H, K, E) => {
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
            ...{ out, scratch, weights, largest, start, count },
            ...{ firstColumn, columns, H },
            row: body.let(i32.sub(turn.first, firstRow)),
            rows: body.let(rowsLeft(turn.first, endRow)),
          })
        );
      });
      body.if(largest, () => {
        const rows = body.let(i32.sub(endRow, firstRow));
        sumRows(body, { out, largest, rows, columns });
      });
    },
    "attentionScores",
  );
}

/**
 * Takes the weights of `rows` queries, divided by their sums and times the
 * queries' own weights, for the columns of the block that are asked for: adds
 * them, divided by H, to `out`, or enters them in `largest`, from row `row` on.
 */
function addWeights(
  body: FunctionBody,
  { exp2 }: VectorMath,
  {
    out,
    scratch,
    weights,
    largest,
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
    | "largest"
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
  const isMean = body.let(i32.eqz(largest));
  const heads = body.let(
    select(f32.convertI32U(H), f32.const(1), isMean),
  );
  const toBytes = body.let(
    select(i32.const(0), i32.shl(columns, 2), isMean),
  );
  const to = body.let(
    select(out, i32.add(largest, i32.mul(row, toBytes)), isMean),
  );
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
      // Unsigned, what is before the first column is far behind the last.
      body.set(column, i32.sub(i32.add(start, at), firstColumn));
      body.if(i32.ltU(column, columns), () => {
        const score = v128.load32Splat(i32.add(scores, i32.shl(at, 2)));
        const weight = body.let(
          f32x4.extractLane(
            f32x4.mul(exp2(body, f32x4.sub(score, most)), share),
            0,
          ),
        );
        const place = body.let(i32.add(to, i32.shl(column, 2)));
        const before = body.let(f32.load(place));
        body.store(
          place,
          select(f32.add(before, weight), f32.max(before, weight), isMean),
        );
      });
    });
    body.set(to, i32.add(to, toBytes));
    body.set(row, i32.add(row, 1));
    body.set(scores, i32.add(scores, i32.shl(count, 2)));
    body.set(state, i32.add(state, VECTOR_BYTES));
    body.set(rows, i32.sub(rows, 1));
  });
}

/** Adds the rows of `largest` to `out`. */
function sumRows(
  body: FunctionBody,
  { out, largest, rows, columns }: Record<
    "out" | "largest" | "rows" | "columns",
    Local<"i32">
  >,
): void {
  const rowBytes = body.let(i32.shl(columns, 2));
  const offset = body.local("i32");
  body.while(rows, () => {
    body.for(offset, { from: 0, to: rowBytes, step: 4 }, () => {
      const place = i32.add(out, offset);
      const value = f32.load(i32.add(largest, offset));
      body.store(place, f32.add(f32.load(place), value));
    });
    body.set(largest, i32.add(largest, rowBytes));
    body.set(rows, i32.sub(rows, 1));
  });
}

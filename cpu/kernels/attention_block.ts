/**
 * Attention of 6 queries to a block of keys, with online softmax (Milakov &
 * Gimelshein 2018; FlashAttention). The largest score and the sum of weights are
 * carried from block to block, so that no whole row of the attention matrix is
 * stored. For each of the 6 queries:
 *
 * ```text
 * score[n]  = query · key[n], or −∞ if position[n] > the query's    // scoreBlock
 * m         = max(largest, max score)                               // softmaxBlock
 * rescale   = 2^(largest − m);  weight[n] = 2^(score[n] − m)
 * sum       = sum · rescale + Σ weight;  largest = m
 * output    = output · rescale + Σ weight[n] · value[n]             // weighBlock
 * ```
 *
 * This module is browser compatible.
 */

import {
  f32,
  f32x4,
  type FunctionBody,
  i32,
  i32x4,
  type Local,
  type Module,
  type Operation,
  v128,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { positionAt } from "./attention_pack.ts";
import {
  LARGEST,
  POSITIONS,
  roundUp,
  ROWS,
  SCALES,
  SCORES,
  SUMS,
  VECTOR_BYTES,
} from "./attention_scratch.ts";
import { combineLanes } from "./lanes.ts";
import { PANEL_BYTES, PANEL_COLUMNS, type Tile } from "./linear_tile.ts";
import type { Vector, VectorMath } from "./math.ts";

/** Below every score that is not −∞. */
export const LOWEST: number = -3.4028234663852886e38;
/** The rows of a block. */
const EVERY_ROW: readonly number[] = Array.from({ length: ROWS }, (_, r) => r);

/**
 * startQueries(scratch, queries, q, first, Sq, stride, E, positions): copies ROWS
 * rows of one head of q, `stride` bytes apart, times log₂ e / √E, to [ROWS, E], and
 * resets their largest scores and sums. The last row stands for rows past the end.
 *
 * With the factor log₂ e, the weights are powers of 2, which are cheaper than eˣ.
 */
export type StartQueries = Operation<
  [
    scratch: "i32",
    queries: "i32",
    q: "i32",
    first: "i32",
    Sq: "i32",
    stride: "i32",
    E: "i32",
    positions: "i32",
  ],
  "none"
>;

/** Adds `startQueries`. */
export function addStartQueries(module: Module): StartQueries {
  // deno-fmt-ignore
  const parameters = [
    "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
  ] as const;
  return module.function(
    parameters,
    (body, scratch, queries, q, first, Sq, stride, E, positions) => {
      const row = body.local("i32");
      const at = body.local("i32");
      const widthBytes = body.let(i32.shl(E, 2));
      const scale = body.let(
        f32x4.splat(
          f32.div(f32.const(Math.LOG2E), f32.sqrt(f32.convertI32U(E))),
        ),
      );
      for (const r of EVERY_ROW) {
        body.set(row, i32.add(first, r));
        body.if(i32.geU(row, Sq), () => body.set(row, i32.sub(Sq, 1)));
        const position = positionAt(body, positions, row);
        body.store(scratch, position, POSITIONS + 4 * r);
        body.store(
          scratch,
          f32x4.const(LOWEST),
          LARGEST + r * VECTOR_BYTES,
        );
        body.store(scratch, f32x4.const(0), SUMS + r * VECTOR_BYTES);
        const source = body.let(i32.add(q, i32.mul(row, stride)));
        // Values written past the end of a row are overwritten by the next row.
        body.for(at, { from: 0, to: widthBytes, step: VECTOR_BYTES }, () => {
          body.store(
            i32.add(queries, at),
            f32x4.mul(v128.load(i32.add(source, at)), scale),
          );
        });
        body.set(queries, i32.add(queries, widthBytes));
      }
    },
  );
}

/**
 * scoreBlock(scratch, queries, keys, positions, ranges, count, E): scores of
 * `count` keys, a multiple of 8, from panels of keys; −∞ for keys whose position is
 * greater than the query's. Panels without such keys skip the comparison.
 */
export type ScoreBlock = Operation<
  [
    scratch: "i32",
    queries: "i32",
    keys: "i32",
    positions: "i32",
    ranges: "i32",
    count: "i32",
    E: "i32",
  ],
  "none"
>;

/** Adds `scoreBlock`. */
export function addScoreBlock(module: Module, tile: Tile): ScoreBlock {
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(
    parameters,
    (body, scratch, queries, keys, positions, ranges, count, E) => {
      const panelBytes = body.let(i32.mul(E, PANEL_BYTES));
      const rowBytes = body.let(i32.shl(count, 2));
      const earliest = body.let(
        i32x4.extractLane(
          combineLanes(
            body,
            i32x4.minS(
              v128.load(scratch, POSITIONS),
              v128.load(scratch, POSITIONS + 4 * (ROWS - 4)),
            ),
            i32x4.minS,
          ),
          0,
        ),
      );
      const offset = body.local("i32");
      const scores = body.local("i32");
      body.for(offset, { from: 0, to: rowBytes, step: PANEL_BYTES }, () => {
        body.set(scores, i32.add(scratch, offset));
        body.do(tile(queries, keys, scores, E, count, PANEL_COLUMNS));
        body.if(i32.gtS(i32.load(ranges, 4), earliest), () => {
          for (const r of EVERY_ROW) {
            const own = body.let(v128.load32Splat(scratch, POSITIONS + 4 * r));
            for (const at of [0, VECTOR_BYTES]) {
              const isLater = i32x4.gtS(v128.load(positions, at), own);
              body.store(
                scores,
                v128.bitselect(
                  f32x4.const(-Infinity),
                  v128.load(scores, SCORES + at),
                  isLater,
                ),
                SCORES + at,
              );
            }
            body.set(scores, i32.add(scores, rowBytes));
          }
        });
        body.set(keys, i32.add(keys, panelBytes));
        body.set(positions, i32.add(positions, PANEL_BYTES));
        body.set(ranges, i32.add(ranges, PANEL_COLUMNS));
      });
    },
  );
}

/**
 * softmaxBlock(scratch, count): turns scores of `count` keys into weights
 * 2^(score − largest), adds them to the sums, and stores the factor by which earlier
 * weights must be rescaled.
 */
export type SoftmaxBlock = Operation<[scratch: "i32", count: "i32"], "none">;

/** Adds `softmaxBlock`. */
export function addSoftmaxBlock(
  module: Module,
  { exp2 }: VectorMath,
  madd: MultiplyAdd,
): SoftmaxBlock {
  return module.function(["i32", "i32"], (body, scratch, count) => {
    const rowBytes = body.let(i32.shl(count, 2));
    const row = body.let(i32.const(0));
    const scores = body.let(i32.add(scratch, SCORES));
    const state = body.let(scratch);
    body.for(row, { from: 0, to: ROWS }, () => {
      const end = body.let(i32.add(scores, rowBytes));
      const before = body.let(v128.load(state, LARGEST));
      const range = { from: scores, to: end };
      const largest = largestScore(body, range, before);
      const scale = body.let(exp2(body, f32x4.sub(before, largest)));
      const sum = weighScores(body, { exp2 }, range, largest);
      body.store(state, largest, LARGEST);
      body.store(state, scale, SCALES);
      body.store(state, madd(v128.load(state, SUMS), scale, sum), SUMS);
      body.set(scores, end);
      body.set(state, i32.add(state, VECTOR_BYTES));
    });
  });
}

/** Scores from one address to another, a multiple of 16 bytes. */
type ScoreRange = Readonly<Record<"from" | "to", Local<"i32">>>;

/** The largest of the scores and `before`, in every lane. */
export function largestScore(
  body: FunctionBody,
  { from, to }: ScoreRange,
  before: Vector,
): Local<"v128"> {
  const largest = body.let(before);
  const at = body.local("i32");
  body.for(at, { from, to, step: VECTOR_BYTES }, () => {
    body.set(largest, f32x4.pmax(largest, v128.load(at)));
  });
  body.set(largest, combineLanes(body, largest, f32x4.pmax));
  return largest;
}

/**
 * Turns scores into weights 2^(score − largest), and returns partial sums in four
 * lanes.
 */
export function weighScores(
  body: FunctionBody,
  { exp2 }: Pick<VectorMath, "exp2">,
  { from, to }: ScoreRange,
  largest: Local<"v128">,
): Local<"v128"> {
  const sum = body.let(f32x4.const(0));
  const at = body.local("i32");
  body.for(at, { from, to, step: VECTOR_BYTES }, () => {
    const score = v128.load(at);
    const weight = body.let(exp2(body, f32x4.sub(score, largest)));
    body.store(at, weight);
    body.set(sum, f32x4.add(sum, weight));
  });
  return sum;
}

/**
 * weighBlock(scratch, output, product, values, panelBytes, count, E):
 * output = rescale · output + weights · values, for `count` keys and all columns.
 * Panels of columns are `panelBytes` apart.
 */
export type WeighBlock = Operation<
  [
    scratch: "i32",
    output: "i32",
    product: "i32",
    values: "i32",
    panelBytes: "i32",
    count: "i32",
    E: "i32",
  ],
  "none"
>;

/** Adds `weighBlock`. */
export function addWeighBlock(
  module: Module,
  tile: Tile,
  madd: MultiplyAdd,
): WeighBlock {
  const parameters = ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return module.function(
    parameters,
    (body, scratch, output, product, values, panelBytes, count, E) => {
      const columns = body.let(roundUp(E));
      const rowBytes = body.let(i32.shl(columns, 2));
      const to = body.let(product);
      const end = body.let(i32.add(product, rowBytes));
      body.while(i32.ltU(to, end), () => {
        body.do(tile(scratch, values, to, count, columns, PANEL_COLUMNS));
        body.set(values, i32.add(values, panelBytes));
        body.set(to, i32.add(to, PANEL_BYTES));
      });
      const at = body.local("i32");
      for (const r of EVERY_ROW) {
        const scale = body.let(v128.load(scratch, SCALES + r * VECTOR_BYTES));
        body.for(at, { from: 0, to: rowBytes, step: VECTOR_BYTES }, () => {
          const place = body.let(i32.add(output, at));
          const own = v128.load(i32.add(product, at));
          body.store(place, madd(v128.load(place), scale, own));
        });
        body.set(output, i32.add(output, rowBytes));
        body.set(product, i32.add(product, rowBytes));
      }
    },
  );
}

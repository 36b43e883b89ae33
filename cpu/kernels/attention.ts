/**
 * `attention` of the CPU backend, for one sample with any number of queries.
 *
 * ```text
 * for each key head: pack its keys and values into panels
 *   for each query head of it, for each 6 queries:    // attention_turns.ts
 *     for each block of 256 keys that one of them sees:
 *       scores  = queries · keysᵀ                     // scoreBlock
 *       weights = 2^(scores − largest so far)         // softmaxBlock
 *       output  = output · rescale + weights · values // weighBlock
 *     out = output / sum of weights                   // writeOutput
 * ```
 *
 * Dimensions: Sq queries, Sk keys, H query heads, K key heads, E head width.
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
import type { MultiplyAdd } from "../relaxed.ts";
import {
  addSoftmaxBlock,
  addWeighBlock,
  type SoftmaxBlock,
  type WeighBlock,
} from "./attention_block.ts";
import { addPackValues } from "./attention_pack.ts";
import { addAttentionRow } from "./attention_row.ts";
import {
  locateParts,
  type Parts,
  roundUp,
  SUMS,
  VECTOR_BYTES,
} from "./attention_scratch.ts";
import { addAttentionScores } from "./attention_scores.ts";
import {
  addAttentionSteps,
  type AttentionSteps,
  forEachTurn,
  rowsLeft,
} from "./attention_turns.ts";
import { combineLanes } from "./lanes.ts";
import { PANEL_BYTES, type Tile } from "./linear_tile.ts";
import type { VectorMath } from "./math.ts";

/**
 * Adds `attention`, `attentionScores`, and attentionScratch(Sk, E), the bytes of
 * scratch memory that both need; and the kernels of `attention_row.ts`.
 */
export function addAttentionKernels(
  module: Module,
  madd: MultiplyAdd,
  math: VectorMath,
  tile: Tile,
): void {
  const steps = addAttentionSteps(module, tile);
  const softmaxBlock = addSoftmaxBlock(module, math, madd);
  const weighBlock = addWeighBlock(module, tile, madd);
  addAttention(module, steps, softmaxBlock, weighBlock);
  addAttentionScores(module, steps, softmaxBlock, math);
  addAttentionRow(module, madd, math);
  module.function(["i32", "i32"], (body, Sk, E) => {
    const nowhere = body.let(i32.const(0));
    return locateParts(body, nowhere, Sk, E).end;
  }, "attentionScratch");
}

/**
 * Adds attention(out, q, k, v, queryPositions, keyPositions, scratch, Sq, Sk,
 * H, K, E).
 */
function addAttention(
  module: Module,
  steps: AttentionSteps,
  softmaxBlock: SoftmaxBlock,
  weighBlock: WeighBlock,
): void {
  const packValues = addPackValues(module);
  // deno-fmt-ignore
  const parameters = [
    "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
    "i32",
  ] as const;
  module.function(
    parameters,
    // deno-fmt-ignore
    (body, out, q, k, v, queryPositions, keyPositions, scratch, Sq, Sk, H, K,
      E) => {
      const panelBytes = body.let(i32.mul(roundUp(Sk), PANEL_BYTES));
      const vRowBytes = body.let(i32.shl(i32.mul(K, E), 2));
      const outRowBytes = body.let(i32.shl(i32.mul(H, E), 2));
      const turns = {
        from: i32.const(0),
        to: Sq,
        onKeyHead: ({ values }: Parts, head: Local<"i32">): void =>
          body.do(packValues(values, i32.add(v, head), Sk, vRowBytes, E)),
      };
      const inputs = { q, k, queryPositions, keyPositions, scratch, Sk, H, K, E };
      forEachTurn(body, steps, inputs, turns, (turn) => {
        const { output, product, values } = turn.parts;
        fillZero(body, output, product);
        turn.forEachBlock(({ start, count }) => {
          const block = i32.add(values, i32.mul(start, PANEL_BYTES));
          body.do(softmaxBlock(scratch, count));
          body.do(
            weighBlock(scratch, output, product, block, panelBytes, count, E),
          );
        });
        const row = i32.mul(turn.first, outRowBytes);
        writeOutput(body, {
          scratch,
          output,
          E,
          rowBytes: outRowBytes,
          to: body.let(i32.add(i32.add(out, turn.head), row)),
          rows: body.let(rowsLeft(turn.first, Sq)),
        });
      });
    },
    "attention",
  );
}

/** Fills memory from one address to another with zeros, 16 bytes at a time. */
function fillZero(
  body: FunctionBody,
  from: Local<"i32">,
  to: Local<"i32">,
): void {
  const at = body.local("i32");
  body.for(at, { from, to, step: VECTOR_BYTES }, () => {
    body.store(at, f32x4.const(0));
  });
}

/** Divides the first `rows` rows by their sums and writes them to one head of out. */
function writeOutput(
  body: FunctionBody,
  { scratch, output, E, to, rowBytes, rows }: Record<
    "scratch" | "output" | "E" | "to" | "rowBytes" | "rows",
    Local<"i32">
  >,
): void {
  const widthBytes = body.let(i32.shl(E, 2));
  const vectorBytes = body.let(i32.and(widthBytes, -VECTOR_BYTES));
  const stride = body.let(i32.shl(roundUp(E), 2));
  const from = body.let(output);
  const state = body.let(scratch);
  const at = body.local("i32");
  body.while(rows, () => {
    const sum = combineLanes(body, v128.load(state, SUMS), f32x4.add);
    const factor = body.let(f32x4.div(f32x4.const(1), sum));
    const place = i32.add(to, at);
    const value = i32.add(from, at);
    body.for(at, { from: 0, to: vectorBytes, step: VECTOR_BYTES }, () => {
      body.store(place, f32x4.mul(v128.load(value), factor));
    });
    const single = body.let(f32x4.extractLane(factor, 0));
    body.while(i32.ltU(at, widthBytes), () => {
      body.store(place, f32.mul(f32.load(value), single));
      body.set(at, i32.add(at, 4));
    });
    body.set(from, i32.add(from, stride));
    body.set(to, i32.add(to, rowBytes));
    body.set(state, i32.add(state, VECTOR_BYTES));
    body.set(rows, i32.sub(rows, 1));
  });
}

/**
 * The loops of `attention` and `attentionScores`:
 *
 * ```text
 * pack all positions
 * for each key head:
 *   pack its keys; onKeyHead
 *   for each query head of it:
 *     for first = from, from + 6, … < to:       // forEachTurn
 *       load 6 queries
 *       content                                 // calls forEachBlock
 *
 * visible = keys up to the last panel with a position ≤ the largest of the 6 queries
 * for start = 0, 256, … < visible:              // forEachBlock
 *   compute scores; content
 * ```
 *
 * Panels after the last visible one are not computed. With ascending positions they
 * are the upper half of the matrix.
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  type FunctionBody,
  i32,
  i32x4,
  type Local,
  type Module,
  select,
  v128,
} from "../assembler.ts";
import {
  addScoreBlock,
  addStartQueries,
  type ScoreBlock,
  type StartQueries,
} from "./attention_block.ts";
import {
  addPackKeys,
  addPackPositions,
  type PackKeys,
  type PackPositions,
} from "./attention_pack.ts";
import {
  BLOCK_KEYS,
  locateParts,
  type Parts,
  POSITIONS,
  roundUp,
  ROWS,
} from "./attention_scratch.ts";
import { combineLanes } from "./lanes.ts";
import { PANEL_COLUMNS, type Tile } from "./linear_tile.ts";

/** The functions that both kernels call. */
export interface AttentionSteps {
  readonly packKeys: PackKeys;
  readonly packPositions: PackPositions;
  readonly startQueries: StartQueries;
  readonly scoreBlock: ScoreBlock;
}

/** Adds the functions that both kernels call. */
export function addAttentionSteps(module: Module, tile: Tile): AttentionSteps {
  return {
    packKeys: addPackKeys(module),
    packPositions: addPackPositions(module),
    startQueries: addStartQueries(module),
    scoreBlock: addScoreBlock(module, tile),
  };
}

/** The parameters that both kernels share; sizes are not in bytes. */
export interface AttentionInputs {
  /** Address of the sample's queries, [Sq, H·E]. */
  readonly q: Local<"i32">;
  /** Address of its keys, [Sk, K·E]. */
  readonly k: Local<"i32">;
  /** Address of the queries' position ids, or 0. */
  readonly queryPositions: Local<"i32">;
  /** Address of the keys' position ids, or 0. */
  readonly keyPositions: Local<"i32">;
  /** Address of scratch memory. */
  readonly scratch: Local<"i32">;
  readonly Sk: Local<"i32">;
  readonly H: Local<"i32">;
  readonly K: Local<"i32">;
  readonly E: Local<"i32">;
}

/** One head and six of its queries, in the loops of a kernel. */
export interface Turn {
  /** Byte offset of the head in a row of q. */
  readonly head: Local<"i32">;
  /** The first query's row. */
  readonly first: Local<"i32">;
  readonly parts: Parts;
  /** Runs `content` for each block of keys after computing its scores. */
  forEachBlock(content: (block: Block) => void): void;
}

/** A block of keys. */
export interface Block {
  /** Its first key. */
  readonly start: Local<"i32">;
  /** How many keys it has, a multiple of 8. */
  readonly count: Local<"i32">;
}

/** The range of queries, and the action for each key head. */
export interface TurnOptions {
  /** The first query's row. */
  readonly from: Expression<"i32">;
  /** The row after the last. */
  readonly to: Expression<"i32">;
  /** Called for every key head, with its byte offset in a row. */
  readonly onKeyHead?: (parts: Parts, head: Local<"i32">) => void;
}

/** Runs `content` for every query head and every six of the queries. */
export function forEachTurn(
  body: FunctionBody,
  steps: AttentionSteps,
  inputs: AttentionInputs,
  { from, to, onKeyHead }: TurnOptions,
  content: (turn: Turn) => void,
): void {
  const { q, k, queryPositions, keyPositions, scratch, Sk, H, K, E } = inputs;
  const parts = locateParts(body, scratch, Sk, E);
  const headBytes = body.let(i32.shl(E, 2));
  const qRowBytes = body.let(i32.mul(H, headBytes));
  const kRowBytes = body.let(i32.mul(K, headBytes));
  const groupBytes = body.let(i32.mul(i32.divU(H, K), headBytes));
  const keyHead = body.local("i32");
  const head = body.let(i32.const(0));
  const groupEnd = body.local("i32");
  const first = body.local("i32");
  const end = body.let(to);
  body.do(
    steps.packPositions(parts.keyPositions, parts.ranges, keyPositions, Sk),
  );
  body.for(keyHead, { from: 0, to: kRowBytes, step: headBytes }, () => {
    const kHead = i32.add(k, keyHead);
    body.do(steps.packKeys(parts.keys, kHead, Sk, kRowBytes, E));
    onKeyHead?.(parts, keyHead);
    body.set(groupEnd, i32.add(head, groupBytes));
    body.while(i32.ltU(head, groupEnd), () => {
      body.for(first, { from, to: end, step: ROWS }, () => {
        body.do(steps.startQueries(
          scratch,
          parts.queries,
          i32.add(q, head),
          first,
          end,
          qRowBytes,
          E,
          queryPositions,
        ));
        content({
          head,
          first,
          parts,
          forEachBlock: (content) =>
            forEachBlock(body, inputs, parts, steps, content),
        });
      });
      body.set(head, i32.add(head, headBytes));
    });
  });
}

/** Queries from `first` on, at most six. */
export function rowsLeft(
  first: Local<"i32">,
  end: Local<"i32">,
): Expression<"i32"> {
  const left = i32.sub(end, first);
  return select(left, i32.const(ROWS), i32.ltU(left, ROWS));
}

/** Runs `content` for each block of keys that one of the queries may see. */
function forEachBlock(
  body: FunctionBody,
  { scratch, Sk, E }: AttentionInputs,
  { queries, keys, keyPositions, ranges }: Parts,
  { scoreBlock }: AttentionSteps,
  content: (block: Block) => void,
): void {
  const latest = body.let(
    i32x4.extractLane(
      combineLanes(
        body,
        i32x4.maxS(
          v128.load(scratch, POSITIONS),
          v128.load(scratch, POSITIONS + 4 * (ROWS - 4)),
        ),
        i32x4.maxS,
      ),
      0,
    ),
  );
  const visible = body.let(roundUp(Sk));
  const isHidden = i32.gtS(
    i32.load(i32.add(ranges, i32.sub(visible, PANEL_COLUMNS))),
    latest,
  );
  body.while(select(isHidden, i32.const(0), visible), () => {
    body.set(visible, i32.sub(visible, PANEL_COLUMNS));
  });
  const start = body.local("i32");
  const count = body.local("i32");
  body.for(start, { from: 0, to: visible, step: BLOCK_KEYS }, () => {
    body.set(count, i32.sub(visible, start));
    body.if(
      i32.gtU(count, BLOCK_KEYS),
      () => body.set(count, BLOCK_KEYS),
    );
    body.do(scoreBlock(
      scratch,
      queries,
      i32.add(keys, i32.mul(start, i32.shl(E, 2))),
      i32.add(keyPositions, i32.shl(start, 2)),
      i32.add(ranges, start),
      count,
      E,
    ));
    content({ start, count });
  });
}

/**
 * `attention` of the CPU backend for one sample with one query, as in decoding.
 *
 * ```text
 * for each 4 keys, for each key head, for each query head of it:   // scoreKeys
 *   score[head][4 keys] = query[head] · key, or −∞ if the key is not seen
 * for each head: weight = softmax(score)                           // softmax
 * for each 4 keys, for each key head, for each query head of it:   // weighValues
 *   output[head] += weight[head][4 keys] · value
 * ```
 *
 * Keys and values are read once, in memory order: packing them for tiles of six
 * queries would take longer than all the rest. The whole row of scores of each head
 * is stored.
 *
 * Dimensions: Sk keys, H query heads, K key heads, E head width.
 *
 * This module is browser compatible.
 */

import {
  type Expression,
  f32,
  f32x4,
  type FunctionBody,
  i32,
  i32x4,
  type Local,
  type Module,
  v128,
} from "../assembler.ts";
import type { MultiplyAdd } from "../relaxed.ts";
import { largestScore, LOWEST, weighScores } from "./attention_block.ts";
import { VECTOR_BYTES } from "./attention_scratch.ts";
import { combineLanes, firstLanes, transpose } from "./lanes.ts";
import type { VectorMath } from "./math.ts";
import { advance, minimum, range } from "./pieces.ts";

/** Keys that are read together; their scores fill a vector. */
const KEYS = 4;

/** Sizes, and the parts of scratch memory. */
interface Work {
  readonly Sk: Local<"i32">;
  readonly K: Local<"i32">;
  /** Query heads for each key head. */
  readonly group: Local<"i32">;
  /** Bytes of a head of q, k, v and out. */
  readonly headBytes: Local<"i32">;
  /** Bytes of a row of `scores`. */
  readonly scoreBytes: Local<"i32">;
  /** Bytes of a row of `output`. */
  readonly outputBytes: Local<"i32">;
  /** All bits set if a key is seen, else none: [Sk rounded up to vectors]. */
  readonly seen: Local<"i32">;
  /** Scores, then weights: [H, Sk rounded up to vectors]. */
  readonly scores: Local<"i32">;
  /** Σ weight · value so far: [H, E rounded up to vectors]. */
  readonly output: Local<"i32">;
  /** End of scratch memory. */
  readonly end: Local<"i32">;
}

/**
 * Adds attentionRow(out, q, k, v, queryPositions, keyPositions, scratch, Sk, H,
 * K, E), and attentionRowScratch(Sk, H, K, E), the bytes of scratch memory.
 */
export function addAttentionRow(
  module: Module,
  madd: MultiplyAdd,
  math: VectorMath,
): void {
  // deno-fmt-ignore
  const parameters = [
    "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
  ] as const;
  module.function(
    parameters,
    // deno-fmt-ignore
    (body, out, q, k, v, queryPositions, keyPositions, scratch, Sk, H, K,
      E) => {
      const work = layOut(body, scratch, { Sk, H, K, E });
      findSeen(body, work, queryPositions, keyPositions);
      scoreKeys(body, madd, work, { q, k });
      softmax(body, math, work);
      weighValues(body, madd, work, v);
      writeOutput(body, work, out);
    },
    "attentionRow",
  );
  module.function(["i32", "i32", "i32", "i32"], (body, Sk, H, K, E) => {
    const nowhere = body.let(i32.const(0));
    return layOut(body, nowhere, { Sk, H, K, E }).end;
  }, "attentionRowScratch");
}

/** Finds the parts of scratch memory. */
function layOut(
  body: FunctionBody,
  scratch: Local<"i32">,
  { Sk, H, K, E }: Record<"Sk" | "H" | "K" | "E", Local<"i32">>,
): Work {
  const vectorsOf = (floats: Local<"i32">): Local<"i32"> =>
    body.let(
      i32.and(i32.add(i32.shl(floats, 2), VECTOR_BYTES - 1), -VECTOR_BYTES),
    );
  const scoreBytes = vectorsOf(Sk);
  const outputBytes = vectorsOf(E);
  const scores = body.let(i32.add(scratch, scoreBytes));
  const output = body.let(i32.add(scores, i32.mul(H, scoreBytes)));
  return {
    Sk,
    K,
    scoreBytes,
    outputBytes,
    scores,
    output,
    group: body.let(i32.divU(H, K)),
    headBytes: body.let(i32.shl(E, 2)),
    seen: scratch,
    end: body.let(i32.add(output, i32.mul(H, outputBytes))),
  };
}

/** Marks the keys whose position is not greater than the query's. */
function findSeen(
  body: FunctionBody,
  { Sk, seen }: Work,
  queryPositions: Local<"i32">,
  keyPositions: Local<"i32">,
): void {
  const key = body.local("i32");
  const mark = body.local("v128");
  body.for(key, { from: 0, to: Sk, step: KEYS }, () => {
    const at = body.let(i32.shl(key, 2));
    body.set(mark, firstLanes(i32.sub(Sk, key)));
    body.if(queryPositions, () => {
      const own = v128.load32Splat(queryPositions);
      const positions = v128.load(i32.add(keyPositions, at));
      body.set(mark, v128.and(mark, i32x4.leS(positions, own)));
    });
    body.store(i32.add(seen, at), mark);
  });
}

/**
 * Scores of all keys in all heads, times log₂ e, so that weights are powers of 2.
 */
function scoreKeys(
  body: FunctionBody,
  madd: MultiplyAdd,
  work: Work,
  { q, k }: Record<"q" | "k", Local<"i32">>,
): void {
  const { headBytes, seen } = work;
  const E = i32.shrU(headBytes, 2);
  const scale = body.let(
    f32x4.splat(f32.div(f32.const(Math.LOG2E), f32.sqrt(f32.convertI32U(E)))),
  );
  const vectorBytes = body.let(i32.and(headBytes, -VECTOR_BYTES));
  const tail = body.let(firstLanes(i32.and(E, KEYS - 1)));
  const at = body.local("i32");
  const sums = range(KEYS).map(() => body.local("v128"));
  const turns = { rows: k, heads: q, stride: headBytes };
  forEachTurn(body, work, turns, ({ rows, head: query, key, scores }) => {
    const addProducts = (lanes = (x: Expression<"v128">) => x): void => {
      const own = body.let(lanes(v128.load(i32.add(query, at))));
      for (const i of range(KEYS)) {
        const other = lanes(v128.load(i32.add(rows[i], at)));
        body.set(sums[i], madd(other, own, sums[i]));
      }
    };
    for (const sum of sums) body.set(sum, f32x4.const(0));
    body.for(
      at,
      { from: 0, to: vectorBytes, step: VECTOR_BYTES },
      () => addProducts(),
    );
    // The memory after a head may hold anything, even NaN.
    body.if(
      i32.ltU(at, headBytes),
      () => addProducts((x) => v128.and(x, tail)),
    );
    const dots = transpose(body, sums).reduce((a, b) => f32x4.add(a, b));
    body.store(
      scores,
      v128.bitselect(
        f32x4.mul(dots, scale),
        f32x4.const(-Infinity),
        v128.load(i32.add(seen, i32.shl(key, 2))),
      ),
    );
  });
}

/** Turns every row of scores into weights whose sum is 1. */
function softmax(
  body: FunctionBody,
  math: VectorMath,
  { scores, scoreBytes, output }: Work,
): void {
  const from = body.let(scores);
  const at = body.local("i32");
  body.while(i32.ltU(from, output), () => {
    const to = body.let(i32.add(from, scoreBytes));
    const row = { from, to };
    const largest = largestScore(body, row, f32x4.const(LOWEST));
    const parts = weighScores(body, math, row, largest);
    const sum = combineLanes(body, parts, f32x4.add);
    const factor = body.let(f32x4.div(f32x4.const(1), sum));
    body.for(at, { ...row, step: VECTOR_BYTES }, () => {
      body.store(at, f32x4.mul(v128.load(at), factor));
    });
    body.set(from, to);
  });
}

/** The weighted sums of the values. */
function weighValues(
  body: FunctionBody,
  madd: MultiplyAdd,
  work: Work,
  v: Local<"i32">,
): void {
  const { headBytes, output, outputBytes, end } = work;
  const at = body.local("i32");
  body.for(at, { from: output, to: end, step: VECTOR_BYTES }, () => {
    body.store(at, f32x4.const(0));
  });
  const turns = { rows: v, heads: output, stride: outputBytes };
  forEachTurn(body, work, turns, ({ rows, head, scores }) => {
    const weights = range(KEYS).map((i) =>
      body.let(v128.load32Splat(scores, 4 * i))
    );
    body.for(at, { from: 0, to: headBytes, step: VECTOR_BYTES }, () => {
      const place = body.let(i32.add(head, at));
      const sum = range(KEYS).reduce(
        (sum, i) => madd(v128.load(i32.add(rows[i], at)), weights[i], sum),
        v128.load(place),
      );
      body.store(place, sum);
    });
  });
}

/**
 * Writes the heads, which are adjacent in `out`, in ascending order, 16 bytes at a
 * time. Values written past the end of a head are overwritten by the next one; the
 * last one has slack behind it.
 */
function writeOutput(
  body: FunctionBody,
  { headBytes, output, outputBytes, end }: Work,
  out: Local<"i32">,
): void {
  const head = body.local("i32");
  const at = body.local("i32");
  body.for(head, { from: output, to: end, step: outputBytes }, () => {
    body.for(at, { from: 0, to: headBytes, step: VECTOR_BYTES }, () => {
      body.store(i32.add(out, at), v128.load(i32.add(head, at)));
    });
    advance(body, out, headBytes);
  });
}

/** One query head and four keys. */
interface Turn {
  /** The head's part of the keys' rows; the last key stands for those past it. */
  readonly rows: readonly Local<"i32">[];
  /** The head's part of `heads`. */
  readonly head: Local<"i32">;
  /** The first of the keys. */
  readonly key: Local<"i32">;
  /** Address of their scores. */
  readonly scores: Local<"i32">;
}

/**
 * Runs `content` for every four keys and every query head, in the memory order of
 * `rows` [Sk, K·E]. `heads` [H] are `stride` bytes apart.
 */
function forEachTurn(
  body: FunctionBody,
  { Sk, K, group, headBytes, scoreBytes, scores }: Work,
  { rows, heads, stride }: Record<"rows" | "heads" | "stride", Local<"i32">>,
  content: (turn: Turn) => void,
): void {
  const last = body.let(i32.sub(Sk, 1));
  const rowBytes = body.let(i32.mul(K, headBytes));
  const key = body.local("i32");
  const keyHead = body.local("i32");
  const member = body.local("i32");
  const turn = {
    rows: range(KEYS).map(() => body.local("i32")),
    head: body.local("i32"),
    key,
    scores: body.local("i32"),
  };
  body.for(key, { from: 0, to: Sk, step: KEYS }, () => {
    for (const [i, row] of turn.rows.entries()) {
      const there = minimum(body.let(i32.add(key, i)), last);
      body.set(row, i32.add(rows, i32.mul(there, rowBytes)));
    }
    body.set(turn.head, heads);
    body.set(turn.scores, i32.add(scores, i32.shl(key, 2)));
    body.for(keyHead, { from: 0, to: K }, () => {
      body.for(member, { from: 0, to: group }, () => {
        content(turn);
        advance(body, turn.head, stride);
        advance(body, turn.scores, scoreBytes);
      });
      for (const row of turn.rows) advance(body, row, headBytes);
    });
  });
}

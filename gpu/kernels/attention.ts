/**
 * Fused attention with an online softmax: the matrix of scores exists only tile
 * by tile. A workgroup has 64 query rows of one head and passes over the keys;
 * for each row it has the maximum m of the scores so far, and Σ exp(s − m) and
 * Σ exp(s − m) · v relative to it. When m grows, the sums shrink by
 * exp(m − new m). Source: Milakov and Gimelshein 2018; Dao et al. 2022
 * (FlashAttention).
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import {
  ATTENTION_SIZES,
  ATTENTION_TILE,
  type AttentionConstant,
  type AttentionSize,
  TILE_ROWS,
} from "./attention_tile.ts";

/** Elements of a head that a workgroup writes; wider heads take several. */
const SLICE = 128;

/** out = softmax(q kᵀ · SCALE) v; a row that sees no key gives zeros. */
export const ATTENTION: Kernel<AttentionSize, AttentionConstant> = {
  label: "attention",
  sizes: ATTENTION_SIZES,
  inputs: ["q", "k", "queryPositions", "keyPositions", "v"],
  outputs: ["out"],
  flop: ({ samples, heads, rows, keys }, { WIDTH }) =>
    4 * samples * heads * rows * keys * 4 * WIDTH,
  grid: ({ samples, heads, rows }, { WIDTH }) => [
    Math.ceil(rows / TILE_ROWS),
    samples * heads,
    Math.ceil(4 * WIDTH / SLICE),
  ],
  code: ATTENTION_TILE + `
@group(0) @binding(5) var<storage, read> v: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;

override SLICE: u32 = min(WIDTH, 32); // in vectors
const PART = 8u; // keys whose values fit where keys were
const PITCH = TILE_ROWS / 4 + 1; // odd, for else all columns meet in one bank

// In scratch, which is as long as that, there is exp(s − m) by key, then by quad.
const_assert TILE_KEYS * PITCH == SCRATCH;

// What a thread sums up for 4 rows.
struct QuadSums {
  maximum: vec4f, // of all scores so far
  sum: vec4f, // of exp(s − m) over the thread's keys
  // Four vectors of Σ exp(s − m) · v, each of 4 rows: the thread's column,
  // column + 8, + 16 and + 24.
  a: mat4x4f,
  b: mat4x4f,
  c: mat4x4f,
  d: mat4x4f,
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = workgroup.y / sizes.heads;
  let head = workgroup.y % sizes.heads;
  let keyHead = head * sizes.keyHeads / sizes.heads;
  // Late rows see the most keys, so they go first.
  let tile = workgroups.x - 1 - workgroup.x;
  let group = local / COLUMNS;
  let column = local % COLUMNS;
  let firstRow = tile * TILE_ROWS + group * GROUP_ROWS;
  let rows = rowsFrom(firstRow, sample);
  let end = endOfKeys(rows, sample, local);

  let firstVector = workgroup.z * SLICE;
  let vectors = min(WIDTH - firstVector, SLICE);
  let weightsAt = column * PITCH + QUADS * group;

  var upper = QuadSums();
  var lower = QuadSums();
  upper.maximum = vec4f(LOWEST);
  lower.maximum = vec4f(LOWEST);
  for (var firstKey = 0u; firstKey < end; firstKey += TILE_KEYS) {
    let scores = scoresOf(rows, firstKey, sample, head, local);
    takeScores(&upper, scores.upper, weightsAt, local);
    if (QUADS > 1) { takeScores(&lower, scores.lower, weightsAt + 1, local); }
    let keys = min(TILE_KEYS, end - firstKey);
    for (var part = 0u; part < keys; part += PART) {
      workgroupBarrier();
      for (var i = local; i < PART * SLICE; i += THREADS) {
        let e = i % SLICE;
        let key = sample * sizes.keys +
          min(firstKey + part + i / SLICE, sizes.keys - 1);
        if (e < vectors) {
          stage[i] =
            v[(key * sizes.keyHeads + keyHead) * WIDTH + firstVector + e];
        }
      }
      workgroupBarrier();
      if (hasRows(rows)) {
        for (var i = 0u; i < PART; i++) {
          let values = valuesAt(i * SLICE + column);
          let at = (part + i) * PITCH + QUADS * group;
          takeValues(&upper, values, scratch[at]);
          if (QUADS > 1) { takeValues(&lower, values, scratch[at + 1]); }
        }
      }
    }
  }

  let e = firstVector + column;
  let at = (sample * sizes.queries + firstRow) * sizes.heads + head;
  finish(&upper, firstRow, e, at, local);
  if (QUADS > 1) {
    finish(&lower, firstRow + 4, e, at + 4 * sizes.heads, local);
  }
}

// Moves on to the maximum of old and new scores, and shares the new weights.
fn takeScores(
  sums: ptr<function, QuadSums>, scores: mat4x4f, at: u32, local: u32,
) {
  let larger = max((*sums).maximum, maximumOfGroup(largestOf(scores), local));
  let shrink = exp((*sums).maximum - larger);
  (*sums).maximum = larger;
  let parts = exponentials(scores, larger);
  (*sums).sum = (*sums).sum * shrink + sumOfColumns(parts);
  scale(sums, shrink);
  scratch[at] = parts[0];
  scratch[at + COLUMNS * PITCH] = parts[1];
  scratch[at + 2 * COLUMNS * PITCH] = parts[2];
  scratch[at + 3 * COLUMNS * PITCH] = parts[3];
}

// The 4 vectors, as far as heads have so many, of a value: at, at + 8, ...
fn valuesAt(at: u32) -> mat4x4f {
  var values = mat4x4f();
  values[0] = stage[at];
  if (WIDTH > COLUMNS) { values[1] = stage[at + COLUMNS]; }
  if (WIDTH > 2 * COLUMNS) { values[2] = stage[at + 2 * COLUMNS]; }
  if (WIDTH > 3 * COLUMNS) { values[3] = stage[at + 3 * COLUMNS]; }
  return values;
}

fn takeValues(sums: ptr<function, QuadSums>, values: mat4x4f, weight: vec4f) {
  (*sums).a += outer(values[0], weight);
  if (WIDTH > COLUMNS) { (*sums).b += outer(values[1], weight); }
  if (WIDTH > 2 * COLUMNS) { (*sums).c += outer(values[2], weight); }
  if (WIDTH > 3 * COLUMNS) { (*sums).d += outer(values[3], weight); }
}

// Divides by the sums of the weights, and writes.
fn finish(sums: ptr<function, QuadSums>, row: u32, e: u32, at: u32, local: u32) {
  let factor = 1.0 / max(sumOfGroup((*sums).sum, local), vec4f(1e-30));
  scale(sums, factor);
  write(row, e, at, (*sums).a);
  write(row, e + COLUMNS, at, (*sums).b);
  write(row, e + 2 * COLUMNS, at, (*sums).c);
  write(row, e + 3 * COLUMNS, at, (*sums).d);
}

// Of narrow heads what is always zero is left alone: it takes no registers then.
fn scale(sums: ptr<function, QuadSums>, factor: vec4f) {
  (*sums).a = scaled((*sums).a, factor);
  if (WIDTH > COLUMNS) { (*sums).b = scaled((*sums).b, factor); }
  if (WIDTH > 2 * COLUMNS) { (*sums).c = scaled((*sums).c, factor); }
  if (WIDTH > 3 * COLUMNS) { (*sums).d = scaled((*sums).d, factor); }
}

// Vector e of 4 rows of the result, as far as it has them.
fn write(row: u32, e: u32, at: u32, values: mat4x4f) {
  if (e >= WIDTH || row >= sizes.rows) { return; }
  out[at * WIDTH + e] = values[0];
  if (row + 1 >= sizes.rows) { return; }
  out[(at + sizes.heads) * WIDTH + e] = values[1];
  if (row + 2 >= sizes.rows) { return; }
  out[(at + 2 * sizes.heads) * WIDTH + e] = values[2];
  if (row + 3 >= sizes.rows) { return; }
  out[(at + 3 * sizes.heads) * WIDTH + e] = values[3];
}

// A vector's product with each of 4 rows' factors.
fn outer(value: vec4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(
    value * factors.x,
    value * factors.y,
    value * factors.z,
    value * factors.w,
  );
}

// A vector of each of 4 rows, by the rows' factors.
fn scaled(rows: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(
    rows[0] * factors.x,
    rows[1] * factors.y,
    rows[2] * factors.z,
    rows[3] * factors.w,
  );
}
`,
};

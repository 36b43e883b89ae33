/**
 * Fused attention with an online softmax, which never stores the whole matrix
 * of scores. A workgroup has 64 query rows of one head, and passes over the
 * keys tile by tile. For each row it keeps the maximum m of the scores so far,
 * Σ exp(s − m) and Σ exp(s − m) · v. When m grows to m', both sums are
 * multiplied by exp(m − m'). Sources: Milakov and Gimelshein 2018; Dao et al.
 * 2022 (FlashAttention).
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

/** Elements of a head per workgroup. Wider heads take several workgroups. */
const SLICE = 128;

/** out = softmax(q kᵀ · SCALE) v. A row that sees no key gives zeros. */
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
const PART = 8u; // keys whose values fit into stage
const PITCH = TILE_ROWS / 4 + 1; // odd, to spread a team over memory banks

// scratch holds exp(s − m), indexed by key and quad, in exactly its size.
const_assert TILE_KEYS * PITCH == SCRATCH;

// The sums of a thread for 4 rows.
struct QuadSums {
  maximum: vec4f, // over all keys so far
  sum: vec4f, // of exp(s − m), over the keys of the thread
  // Σ exp(s − m) · v of 4 rows, for the vec4 member, member + 8, + 16 and + 24
  // of v.
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
  // Late rows see the most keys, so they start first.
  let tile = workgroups.x - 1 - workgroup.x;
  let team = local / TEAM;
  let member = local % TEAM;
  let firstRow = tile * TILE_ROWS + team * TEAM_ROWS;
  let rows = rowsFrom(firstRow, sample);
  let end = endOfKeys(rows, sample, local);

  let firstVector = workgroup.z * SLICE;
  let vectors = min(WIDTH - firstVector, SLICE);
  let exponentialsAt = member * PITCH + QUADS * team;

  var upper = QuadSums();
  var lower = QuadSums();
  upper.maximum = vec4f(LOWEST);
  lower.maximum = vec4f(LOWEST);
  for (var firstKey = 0u; firstKey < end; firstKey += TILE_KEYS) {
    let scores = scoresOf(rows, firstKey, sample, head, local);
    addScores(&upper, scores.upper, exponentialsAt, local);
    if (QUADS > 1) { addScores(&lower, scores.lower, exponentialsAt + 1, local); }
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
          let values = valuesAt(i * SLICE + member);
          let at = (part + i) * PITCH + QUADS * team;
          addValues(&upper, values, scratch[at]);
          if (QUADS > 1) { addValues(&lower, values, scratch[at + 1]); }
        }
      }
    }
  }

  let e = firstVector + member;
  let at = (sample * sizes.queries + firstRow) * sizes.heads + head;
  finish(&upper, firstRow, e, at, local);
  if (QUADS > 1) {
    finish(&lower, firstRow + 4, e, at + 4 * sizes.heads, local);
  }
}

// Updates the maximum and the sums, and shares exp(s − m) in scratch.
fn addScores(
  sums: ptr<function, QuadSums>, scores: mat4x4f, at: u32, local: u32,
) {
  let larger = max((*sums).maximum, maximumOfTeam(largestOf(scores), local));
  let shrink = exp((*sums).maximum - larger);
  (*sums).maximum = larger;
  let parts = exponentials(scores, larger);
  (*sums).sum = (*sums).sum * shrink + sumOfColumns(parts);
  scale(sums, shrink);
  scratch[at] = parts[0];
  scratch[at + TEAM * PITCH] = parts[1];
  scratch[at + 2 * TEAM * PITCH] = parts[2];
  scratch[at + 3 * TEAM * PITCH] = parts[3];
}

// The vec4 at, at + 8, at + 16 and at + 24 of a value, if heads have them.
fn valuesAt(at: u32) -> mat4x4f {
  var values = mat4x4f();
  values[0] = stage[at];
  if (WIDTH > TEAM) { values[1] = stage[at + TEAM]; }
  if (WIDTH > 2 * TEAM) { values[2] = stage[at + 2 * TEAM]; }
  if (WIDTH > 3 * TEAM) { values[3] = stage[at + 3 * TEAM]; }
  return values;
}

fn addValues(sums: ptr<function, QuadSums>, values: mat4x4f, factors: vec4f) {
  (*sums).a += outer(values[0], factors);
  if (WIDTH > TEAM) { (*sums).b += outer(values[1], factors); }
  if (WIDTH > 2 * TEAM) { (*sums).c += outer(values[2], factors); }
  if (WIDTH > 3 * TEAM) { (*sums).d += outer(values[3], factors); }
}

// Divides by the sums of exp(s − m), and writes the result.
fn finish(sums: ptr<function, QuadSums>, row: u32, e: u32, at: u32, local: u32) {
  let factor = 1.0 / max(sumOfTeam((*sums).sum, local), vec4f(1e-30));
  scale(sums, factor);
  write(row, e, at, (*sums).a);
  write(row, e + TEAM, at, (*sums).b);
  write(row, e + 2 * TEAM, at, (*sums).c);
  write(row, e + 3 * TEAM, at, (*sums).d);
}

// Skips the sums that narrow heads do not use, so they take no registers.
fn scale(sums: ptr<function, QuadSums>, factor: vec4f) {
  (*sums).a = scaled((*sums).a, factor);
  if (WIDTH > TEAM) { (*sums).b = scaled((*sums).b, factor); }
  if (WIDTH > 2 * TEAM) { (*sums).c = scaled((*sums).c, factor); }
  if (WIDTH > 3 * TEAM) { (*sums).d = scaled((*sums).d, factor); }
}

// Writes vec4 e of 4 rows, as far as both exist.
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

// The outer product of a vec4 of a value and the factors of 4 rows.
fn outer(value: vec4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(
    value * factors.x,
    value * factors.y,
    value * factors.z,
    value * factors.w,
  );
}

// The vec4 of 4 rows times the factors of the rows.
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

/**
 * WGSL that the attention kernels share. A workgroup computes the scores of a
 * tile of 64 query rows and 32 keys of one head.
 *
 * Its threads form teams of 8. A team has one or two quads of rows, `upper` and
 * `lower`. Thread `member` of a team has the keys member, member + 8, member +
 * 16 and member + 24.
 *
 * Queries and keys pass through workgroup memory, at most 32 elements of a head
 * at a time. A thread accumulates in matrices with constant indices, so that
 * they stay in registers.
 *
 * This module is browser compatible.
 */

import { declareSizes } from "./wgsl.ts";

/**
 * The sizes of the attention kernels. `causal` is 1 if position ids count.
 * `weighted` is 1 if query rows have weights, which only `ATTENTION_TOTALS`
 * reads. The kernels compute `rows` query rows from `firstRow` on, and scores
 * of `columns` keys from `firstColumn` on.
 */
export const ATTENTION_SIZES = [
  "causal",
  "weighted",
  "samples",
  "queries",
  "keys",
  "heads",
  "keyHeads",
  "firstRow",
  "rows",
  "firstColumn",
  "columns",
] as const;

/** A size of the attention kernels. */
export type AttentionSize = typeof ATTENTION_SIZES[number];

/**
 * Constants of the attention kernels: E / 4 (E is a multiple of four), the
 * factor of the scores 1 / √E, and the quads of a team. With two quads a thread
 * reads each key for 8 rows; one quad takes fewer registers.
 *
 * WIDTH is a constant, because as a size it makes software a few per cent
 * slower. It would not save pipelines: narrow and wide heads need different
 * sums anyway.
 */
export type AttentionConstant = "WIDTH" | "SCALE" | "QUADS";

/** Query rows of a tile. */
export const TILE_ROWS = 64;

/** Keys of a tile. */
export const TILE_KEYS = 32;

/** The WGSL at the start of every attention kernel. */
export const ATTENTION_TILE: string = declareSizes(ATTENTION_SIZES) + `
override WIDTH: u32;
override SCALE: f32;
override QUADS: u32 = 2;

const TILE_ROWS = 64u;
const TILE_KEYS = 32u;
const TEAM = 8u; // threads of a team
override TEAM_ROWS = 4 * QUADS;
override THREADS = TILE_ROWS / TEAM_ROWS * TEAM;
const MAX_CHUNK = 8u;
override CHUNK = min(WIDTH, MAX_CHUNK); // vec4 of a head that are staged at once
const STRIDE = 9u; // of keys; odd, to spread a team over memory banks

// LOWEST is below every score, and HIDDEN is so far below it that
// exp(HIDDEN − LOWEST) is 0.
const LOWEST = -1e30;
const HIDDEN = -2e30;

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> queryPositions: array<i32>;
@group(0) @binding(4) var<storage, read> keyPositions: array<i32>;

var<workgroup> stage: array<vec4f, TILE_KEYS * STRIDE>;

// Holds queries while scores are computed, and is free for other uses in
// between. All workgroup memory together takes 15 KiB of the 16 KiB that WebGPU
// guarantees.
const SCRATCH = 544u;
var<workgroup> scratch: array<vec4f, SCRATCH>;

// The index of a query row, counted from sizes.firstRow. Rows beyond the last
// one repeat it.
fn queryRow(row: u32, sample: u32) -> u32 {
  return sample * sizes.queries + sizes.firstRow + min(row, sizes.rows - 1);
}

// The position ids of the 4 query rows from first on.
fn positionsFrom(first: u32, sample: u32) -> vec4i {
  if (sizes.causal == 0) { return vec4i(); }
  return vec4i(
    queryPositions[queryRow(first, sample)],
    queryPositions[queryRow(first + 1, sample)],
    queryPositions[queryRow(first + 2, sample)],
    queryPositions[queryRow(first + 3, sample)],
  );
}

// The query rows of a thread: the first one, and the position ids of all.
struct Rows { first: u32, upper: vec4i, lower: vec4i }

fn rowsFrom(first: u32, sample: u32) -> Rows {
  return Rows(
    first,
    positionsFrom(first, sample),
    positionsFrom(first + 4, sample),
  );
}

// Whether a thread has query rows. A thread without rows must still reach every
// barrier.
fn hasRows(rows: Rows) -> bool { return rows.first < sizes.rows; }

var<workgroup> latest: atomic<i32>;
var<workgroup> lastSeen: atomic<u32>;
var<workgroup> keysEnd: u32;

// The number of keys up to the last one that is visible to a row of the tile.
fn endOfKeys(rows: Rows, sample: u32, local: u32) -> u32 {
  if (sizes.causal == 0) { return sizes.keys; }
  if (local == 0) { atomicStore(&latest, rows.upper.x); }
  workgroupBarrier();
  let four = max(rows.upper, rows.lower);
  let two = max(four.xy, four.zw);
  atomicMax(&latest, max(two.x, two.y));
  workgroupBarrier();
  let horizon = atomicLoad(&latest);
  var end = 0u;
  for (var i = local; i < sizes.keys; i += THREADS) {
    if (keyPositions[sample * sizes.keys + i] <= horizon) { end = i + 1; }
  }
  atomicMax(&lastSeen, end);
  workgroupBarrier();
  if (local == 0) { keysEnd = atomicLoad(&lastSeen); }
  return workgroupUniformLoad(&keysEnd);
}

// The scores of a thread: a matrix column for each of its 4 keys.
struct Scores { upper: mat4x4f, lower: mat4x4f }

fn scoresOf(
  rows: Rows, firstKey: u32, sample: u32, head: u32, local: u32,
) -> Scores {
  let member = local % TEAM;
  let teamRow = local / TEAM * TEAM_ROWS;
  let keyHead = head * sizes.keyHeads / sizes.heads;
  var upper = mat4x4f();
  var lower = mat4x4f();
  for (var chunk = 0u; chunk < WIDTH; chunk += CHUNK) {
    workgroupBarrier(); // until the last chunk has been read
    for (var i = local; i < TILE_KEYS * CHUNK; i += THREADS) {
      let e = chunk + i % CHUNK;
      // Keys beyond the last one repeat it.
      let key = sample * sizes.keys + min(firstKey + i / CHUNK, sizes.keys - 1);
      if (e < WIDTH) {
        stage[i / CHUNK * STRIDE + i % CHUNK] =
          k[(key * sizes.keyHeads + keyHead) * WIDTH + e];
      }
    }
    for (var i = local; i < TILE_ROWS * CHUNK; i += THREADS) {
      let e = chunk + i % CHUNK;
      let row = queryRow(rows.first - teamRow + i / CHUNK, sample);
      if (e < WIDTH) {
        scratch[i / CHUNK * MAX_CHUNK + i % CHUNK] =
          q[(row * sizes.heads + head) * WIDTH + e];
      }
    }
    workgroupBarrier();
    let end = select(0, min(CHUNK, WIDTH - chunk), hasRows(rows));
    for (var e = 0u; e < end; e++) {
      let at = member * STRIDE + e;
      let keys = mat4x4f(
        stage[at],
        stage[at + TEAM * STRIDE],
        stage[at + 2 * TEAM * STRIDE],
        stage[at + 3 * TEAM * STRIDE],
      );
      upper = plusProducts(upper, keys, teamRow * MAX_CHUNK + e);
      if (QUADS > 1) {
        lower = plusProducts(lower, keys, (teamRow + 4) * MAX_CHUNK + e);
      }
    }
  }
  let key = firstKey + member;
  return Scores(
    masked(upper, key, rows.upper, sample),
    masked(lower, key, rows.lower, sample),
  );
}

// scores + products of 4 elements, for 4 rows and 4 keys.
fn plusProducts(scores: mat4x4f, keys: mat4x4f, at: u32) -> mat4x4f {
  let queries = transpose(mat4x4f(
    scratch[at],
    scratch[at + MAX_CHUNK],
    scratch[at + 2 * MAX_CHUNK],
    scratch[at + 3 * MAX_CHUNK],
  ));
  return mat4x4f(
    plusProduct(scores[0], keys[0], queries),
    plusProduct(scores[1], keys[1], queries),
    plusProduct(scores[2], keys[2], queries),
    plusProduct(scores[3], keys[3], queries),
  );
}

// By single products, so that a compiler can fuse each with its addition.
fn plusProduct(scores: vec4f, key: vec4f, queries: mat4x4f) -> vec4f {
  return scores + key.x * queries[0] + key.y * queries[1] +
    key.z * queries[2] + key.w * queries[3];
}

// Scaled scores of 4 rows for the keys key, key + 8, …; HIDDEN where masked.
fn masked(
  scores: mat4x4f, key: u32, positions: vec4i, sample: u32,
) -> mat4x4f {
  return mat4x4f(
    maskedKey(scores[0], key, positions, sample),
    maskedKey(scores[1], key + TEAM, positions, sample),
    maskedKey(scores[2], key + 2 * TEAM, positions, sample),
    maskedKey(scores[3], key + 3 * TEAM, positions, sample),
  );
}

fn maskedKey(
  scores: vec4f, key: u32, positions: vec4i, sample: u32,
) -> vec4f {
  if (key >= sizes.keys) { return vec4f(HIDDEN); }
  if (sizes.causal == 0) { return scores * SCALE; }
  let position = keyPositions[sample * sizes.keys + key];
  return select(vec4f(HIDDEN), scores * SCALE, vec4i(position) <= positions);
}

// The largest score of each of 4 rows, over the keys of a thread.
fn largestOf(scores: mat4x4f) -> vec4f {
  return max(max(scores[0], scores[1]), max(scores[2], scores[3]));
}

// exp(s − m) for 4 rows, each with its own m.
fn exponentials(scores: mat4x4f, m: vec4f) -> mat4x4f {
  return mat4x4f(
    exp(scores[0] - m),
    exp(scores[1] - m),
    exp(scores[2] - m),
    exp(scores[3] - m),
  );
}

fn sumOfColumns(x: mat4x4f) -> vec4f { return x[0] + x[1] + x[2] + x[3]; }

// A vector of each thread, for its team to read.
var<workgroup> exchange: array<vec4f, THREADS>;

fn maximumOfTeam(value: vec4f, local: u32) -> vec4f {
  workgroupBarrier();
  exchange[local] = value;
  workgroupBarrier();
  let first = local / TEAM * TEAM;
  var maximum = value;
  for (var i = 0u; i < TEAM; i++) {
    maximum = max(maximum, exchange[first + i]);
  }
  return maximum;
}

fn sumOfTeam(value: vec4f, local: u32) -> vec4f {
  workgroupBarrier();
  exchange[local] = value;
  workgroupBarrier();
  let first = local / TEAM * TEAM;
  var sum = vec4f();
  for (var i = 0u; i < TEAM; i++) { sum += exchange[first + i]; }
  return sum;
}
`;

/**
 * What the attention kernels share: WGSL in which a workgroup computes scores
 * of 64 query rows and 32 keys of one head. Its threads are groups of 8; a group
 * has one or two quads of rows, the upper and the lower; a thread of it has 4
 * keys: columns c, c + 8, c + 16 and c + 24.
 *
 * Queries and keys pass through workgroup memory, up to 32 elements of each at a
 * time. A thread keeps what it accumulates in matrices, of which every index is
 * a constant, so that they stay in registers.
 *
 * This module is browser compatible.
 */

/**
 * Sizes of the attention kernels. `causal` is 1 where position ids count, and
 * `weighted` where rows have weights, which only the kernel of totals reads.
 */
export type AttentionSize =
  | "causal"
  | "weighted"
  | "samples"
  | "queries"
  | "keys"
  | "heads"
  | "keyHeads"
  | "firstRow"
  | "rows"
  | "firstColumn"
  | "columns";

/**
 * Constants of the attention kernels: E / 4 (E is a multiple of four), the
 * factor of the scores (1 / √E), and quads of a group. Two read each key for 8
 * rows; one is easy on registers.
 *
 * The width stays a constant. As a size it takes a few per cent more time in
 * software, and a model would not compile less: wide and narrow heads need
 * pipelines of their own anyway, for the sums that a thread keeps.
 */
export type AttentionConstant = "WIDTH" | "SCALE" | "QUADS";

/** In the order of the WGSL struct. */
export const ATTENTION_SIZES: readonly AttentionSize[] = [
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
];

/** Query rows of a tile. */
export const TILE_ROWS = 64;

/** Keys of a tile. */
export const TILE_KEYS = 32;

/** WGSL that begins every attention kernel. */
export const ATTENTION_TILE = `
override WIDTH: u32;
override SCALE: f32;
override QUADS: u32 = 2;

const TILE_ROWS = 64u;
const TILE_KEYS = 32u;
const COLUMNS = 8u; // threads of a group
override GROUP_ROWS = 4 * QUADS;
override THREADS = TILE_ROWS / GROUP_ROWS * COLUMNS;
const MAX_CHUNK = 8u;
override CHUNK = min(WIDTH, MAX_CHUNK); // vectors that are staged at once
const STRIDE = 9u; // of keys; odd, for else all columns meet in one bank

// Below every score, and below that: exp(HIDDEN − LOWEST) is 0.
const LOWEST = -1e30;
const HIDDEN = -2e30;

struct Sizes {
  causal: u32,
  weighted: u32,
  samples: u32,
  queries: u32,
  keys: u32,
  heads: u32,
  keyHeads: u32,
  firstRow: u32, // the query rows that are asked for
  rows: u32,
  firstColumn: u32, // the keys that are asked for
  columns: u32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> queryPositions: array<i32>;
@group(0) @binding(4) var<storage, read> keyPositions: array<i32>;

var<workgroup> stage: array<vec4f, TILE_KEYS * STRIDE>;

// Queries while scores are computed; in between, it is free for other use. With
// it, workgroup memory is 15 KiB of the 16 that WebGPU guarantees.
const SCRATCH = 544u;
var<workgroup> scratch: array<vec4f, SCRATCH>;

// Where a query row is, counted from sizes.firstRow; one behind the last row is
// the last.
fn queryRow(row: u32, sample: u32) -> u32 {
  return sample * sizes.queries + sizes.firstRow + min(row, sizes.rows - 1);
}

// The position ids of 4 query rows from first on.
fn positionsFrom(first: u32, sample: u32) -> vec4i {
  if (sizes.causal == 0) { return vec4i(); }
  return vec4i(
    queryPositions[queryRow(first, sample)],
    queryPositions[queryRow(first + 1, sample)],
    queryPositions[queryRow(first + 2, sample)],
    queryPositions[queryRow(first + 3, sample)],
  );
}

// The rows of a thread: the first one, and the position ids of all.
struct Rows { first: u32, upper: vec4i, lower: vec4i }

fn rowsFrom(first: u32, sample: u32) -> Rows {
  return Rows(
    first,
    positionsFrom(first, sample),
    positionsFrom(first + 4, sample),
  );
}

// Whether a thread has rows at all. One that has none still meets the others at
// barriers.
fn hasRows(rows: Rows) -> bool { return rows.first < sizes.rows; }

var<workgroup> latest: atomic<i32>;
var<workgroup> lastSeen: atomic<u32>;
var<workgroup> keysEnd: u32;

// The number of keys up to the last one that any row of the tile sees.
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

// Scores of a thread's rows: a column for each of its 4 keys.
struct Scores { upper: mat4x4f, lower: mat4x4f }

fn scoresOf(
  rows: Rows, firstKey: u32, sample: u32, head: u32, local: u32,
) -> Scores {
  let column = local % COLUMNS;
  let group = local / COLUMNS * GROUP_ROWS;
  let keyHead = head * sizes.keyHeads / sizes.heads;
  var upper = mat4x4f();
  var lower = mat4x4f();
  for (var chunk = 0u; chunk < WIDTH; chunk += CHUNK) {
    workgroupBarrier(); // until what is there was used
    for (var i = local; i < TILE_KEYS * CHUNK; i += THREADS) {
      let e = chunk + i % CHUNK;
      // Keys behind the last one repeat it.
      let key = sample * sizes.keys + min(firstKey + i / CHUNK, sizes.keys - 1);
      if (e < WIDTH) {
        stage[i / CHUNK * STRIDE + i % CHUNK] =
          k[(key * sizes.keyHeads + keyHead) * WIDTH + e];
      }
    }
    for (var i = local; i < TILE_ROWS * CHUNK; i += THREADS) {
      let e = chunk + i % CHUNK;
      let row = queryRow(rows.first - group + i / CHUNK, sample);
      if (e < WIDTH) {
        scratch[i / CHUNK * MAX_CHUNK + i % CHUNK] =
          q[(row * sizes.heads + head) * WIDTH + e];
      }
    }
    workgroupBarrier();
    let end = select(0, min(CHUNK, WIDTH - chunk), hasRows(rows));
    for (var e = 0u; e < end; e++) {
      let at = column * STRIDE + e;
      let keys = mat4x4f(
        stage[at],
        stage[at + COLUMNS * STRIDE],
        stage[at + 2 * COLUMNS * STRIDE],
        stage[at + 3 * COLUMNS * STRIDE],
      );
      upper = plusProducts(upper, keys, group * MAX_CHUNK + e);
      if (QUADS > 1) {
        lower = plusProducts(lower, keys, (group + 4) * MAX_CHUNK + e);
      }
    }
  }
  let key = firstKey + column;
  return Scores(
    visible(upper, key, rows.upper, sample),
    visible(lower, key, rows.lower, sample),
  );
}

// Adds to the scores of 4 rows the products of 4 elements; a product at a time,
// so that each is fused with its addition.
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

fn plusProduct(scores: vec4f, key: vec4f, queries: mat4x4f) -> vec4f {
  return scores + key.x * queries[0] + key.y * queries[1] +
    key.z * queries[2] + key.w * queries[3];
}

// Scaled scores of 4 rows, where they see the keys: key, key + 8, ...
fn visible(
  scores: mat4x4f, key: u32, positions: vec4i, sample: u32,
) -> mat4x4f {
  return mat4x4f(
    visibleKey(scores[0], key, positions, sample),
    visibleKey(scores[1], key + COLUMNS, positions, sample),
    visibleKey(scores[2], key + 2 * COLUMNS, positions, sample),
    visibleKey(scores[3], key + 3 * COLUMNS, positions, sample),
  );
}

fn visibleKey(
  scores: vec4f, key: u32, positions: vec4i, sample: u32,
) -> vec4f {
  if (key >= sizes.keys) { return vec4f(HIDDEN); }
  if (sizes.causal == 0) { return scores * SCALE; }
  let position = keyPositions[sample * sizes.keys + key];
  return select(vec4f(HIDDEN), scores * SCALE, vec4i(position) <= positions);
}

// The largest of a row's scores for the keys of a thread, for each of 4 rows.
fn largestOf(scores: mat4x4f) -> vec4f {
  return max(max(scores[0], scores[1]), max(scores[2], scores[3]));
}

// exp(s − m) of each of 4 rows with its own m.
fn exponentials(scores: mat4x4f, m: vec4f) -> mat4x4f {
  return mat4x4f(
    exp(scores[0] - m),
    exp(scores[1] - m),
    exp(scores[2] - m),
    exp(scores[3] - m),
  );
}

fn sumOfColumns(x: mat4x4f) -> vec4f { return x[0] + x[1] + x[2] + x[3]; }

// One vector per thread, to be read by its group.
var<workgroup> exchange: array<vec4f, THREADS>;

fn maximumOfGroup(value: vec4f, local: u32) -> vec4f {
  workgroupBarrier();
  exchange[local] = value;
  workgroupBarrier();
  let first = local / COLUMNS * COLUMNS;
  var maximum = value;
  for (var i = 0u; i < COLUMNS; i++) {
    maximum = max(maximum, exchange[first + i]);
  }
  return maximum;
}

fn sumOfGroup(value: vec4f, local: u32) -> vec4f {
  workgroupBarrier();
  exchange[local] = value;
  workgroupBarrier();
  let first = local / COLUMNS * COLUMNS;
  var sum = vec4f();
  for (var i = 0u; i < COLUMNS; i++) { sum += exchange[first + i]; }
  return sum;
}
`;

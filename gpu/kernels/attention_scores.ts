/**
 * Attention scores: the attention that selected keys receive from selected
 * query rows. Three kernels compute them:
 *
 * 1. The maximum and the sum of the softmax, for each row.
 * 2. The softmax of each key, summed over the rows.
 * 3. The mean over the heads.
 *
 * No sum depends on the order in which threads run.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import {
  ATTENTION_SIZES,
  ATTENTION_TILE,
  type AttentionConstant,
  type AttentionSize,
  TILE_KEYS,
  TILE_ROWS,
} from "./attention_tile.ts";
import { EACH_THREAD, threads } from "./wgsl.ts";

/**
 * totals[b, h, i] = (m, w / Σ exp(s − m)) over the scores s of row i for all
 * keys. m is the largest score, and w is the weight of the row, 1 by default. A
 * row that sees no key has (m, 0).
 */
export const ATTENTION_TOTALS: Kernel<AttentionSize, AttentionConstant> = {
  label: "attentionTotals",
  sizes: ATTENTION_SIZES,
  inputs: ["q", "k", "queryPositions", "keyPositions", "weights"],
  outputs: ["totals"],
  grid: ({ samples, heads, rows }) => [
    Math.ceil(rows / TILE_ROWS),
    samples * heads,
    1,
  ],
  code: ATTENTION_TILE + `
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> totals: array<vec2f>;

// m and Σ exp(s − m) of 4 rows, over the keys of a thread.
struct Totals { maximum: vec4f, sum: vec4f }

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = workgroup.y / sizes.heads;
  let head = workgroup.y % sizes.heads;
  let firstRow = workgroup.x * TILE_ROWS + local / TEAM * TEAM_ROWS;
  let rows = rowsFrom(firstRow, sample);
  let end = endOfKeys(rows, sample, local);

  var upper = Totals(vec4f(LOWEST), vec4f());
  var lower = upper;
  for (var firstKey = 0u; firstKey < end; firstKey += TILE_KEYS) {
    let scores = scoresOf(rows, firstKey, sample, head, local);
    upper = addScores(upper, scores.upper);
    if (QUADS > 1) { lower = addScores(lower, scores.lower); }
  }
  write(upper, workgroup.y, firstRow, local);
  if (QUADS > 1) { write(lower, workgroup.y, firstRow + 4, local); }
}

fn addScores(old: Totals, scores: mat4x4f) -> Totals {
  let maximum = max(old.maximum, largestOf(scores));
  let sum = old.sum * exp(old.maximum - maximum) +
    sumOfColumns(exponentials(scores, maximum));
  return Totals(maximum, sum);
}

// Combines the totals of a team. Each of its first 4 threads writes a row.
fn write(parts: Totals, head: u32, firstRow: u32, local: u32) {
  let m = maximumOfTeam(parts.maximum, local);
  let sum = sumOfTeam(parts.sum * exp(parts.maximum - m), local);
  let i = local % TEAM;
  if (i >= 4 || firstRow + i >= sizes.rows) { return; }
  let row = firstRow + i;
  var weight = 1.0;
  if (sizes.weighted == 1) { weight = weights[head / sizes.heads * sizes.rows + row]; }
  let factor = select(0.0, weight / sum[i], sum[i] > 0.0);
  totals[head * sizes.rows + row] = vec2f(m[i], factor);
}
`,
};

/** shares[b, h, n] = Σ exp(s − m) · w / Σ' exp(s' − m) over the query rows. */
export const ATTENTION_SHARES: Kernel<AttentionSize, AttentionConstant> = {
  label: "attentionShares",
  sizes: ATTENTION_SIZES,
  inputs: ["q", "k", "queryPositions", "keyPositions", "totals"],
  outputs: ["shares"],
  grid: ({ samples, heads, columns }) => [
    Math.ceil(columns / TILE_KEYS),
    samples * heads,
    1,
  ],
  code: ATTENTION_TILE + `
@group(0) @binding(5) var<storage, read> totals: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> shares: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = workgroup.y / sizes.heads;
  let head = workgroup.y % sizes.heads;
  let firstColumn = workgroup.x * TILE_KEYS;
  let firstKey = sizes.firstColumn + firstColumn;

  var sums = vec4f(); // for the keys of this thread
  for (var tile = 0u; tile < sizes.rows; tile += TILE_ROWS) {
    let firstRow = tile + local / TEAM * TEAM_ROWS;
    let rows = rowsFrom(firstRow, sample);
    let scores = scoresOf(rows, firstKey, sample, head, local);
    var own = sumOfRows(sharesOf(scores.upper, workgroup.y, firstRow));
    if (QUADS > 1) {
      own += sumOfRows(sharesOf(scores.lower, workgroup.y, firstRow + 4));
    }
    sums += own;
  }

  // Thread i % TEAM of each team has column i, in component i / TEAM.
  exchange[local] = sums;
  workgroupBarrier();
  if (local >= TILE_KEYS || firstColumn + local >= sizes.columns) { return; }
  var sum = 0.0;
  for (var i = local % TEAM; i < THREADS; i += TEAM) {
    sum += exchange[i][local / TEAM];
  }
  shares[workgroup.y * sizes.columns + firstColumn + local] = sum;
}

// The weighted softmax of 4 rows: a matrix column for each of 4 keys.
fn sharesOf(scores: mat4x4f, head: u32, firstRow: u32) -> mat4x4f {
  let rows = firstRow + vec4u(0, 1, 2, 3);
  let at = head * sizes.rows + min(rows, vec4u(sizes.rows - 1));
  let t0 = totals[at.x];
  let t1 = totals[at.y];
  let t2 = totals[at.z];
  let t3 = totals[at.w];
  let maximum = vec4f(t0.x, t1.x, t2.x, t3.x);
  let factor = select(
    vec4f(), // beyond the last row
    vec4f(t0.y, t1.y, t2.y, t3.y),
    rows < vec4u(sizes.rows),
  );
  // No exponential exceeds 1, so rows beyond the last one cannot overflow.
  let x = exponentials(
    mat4x4f(
      min(scores[0], maximum),
      min(scores[1], maximum),
      min(scores[2], maximum),
      min(scores[3], maximum),
    ),
    maximum,
  );
  return mat4x4f(x[0] * factor, x[1] * factor, x[2] * factor, x[3] * factor);
}

fn sumOfRows(x: mat4x4f) -> vec4f { return vec4f(1.0) * x; }
`,
};

/** scores[b, n] = Σ shares[b, h, n] / H over the heads. */
export const MEAN_OF_HEADS: Kernel<"samples" | "heads" | "columns"> = {
  label: "meanOfHeads",
  sizes: ["samples", "heads", "columns"],
  inputs: ["shares"],
  outputs: ["scores"],
  grid: ({ samples, columns }) => threads(samples * columns),
  code: EACH_THREAD + `
struct Sizes { samples: u32, heads: u32, columns: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> shares: array<f32>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;

fn compute(i: u32) {
  if (i >= sizes.samples * sizes.columns) { return; }
  let sample = i / sizes.columns;
  let column = i % sizes.columns;
  var sum = 0.0;
  for (var head = 0u; head < sizes.heads; head++) {
    sum += shares[(sample * sizes.heads + head) * sizes.columns + column];
  }
  scores[i] = sum / f32(sizes.heads);
}
`,
};

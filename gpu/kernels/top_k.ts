/**
 * The k best columns of every row, exactly and in ascending order: one
 * workgroup per row, which selects by radix and then compacts.
 *
 * Scores become integers of the same order. Their four bytes are fixed from the
 * highest to the lowest: a histogram counts how often each value of the next
 * byte occurs among scores that begin with the bytes fixed so far, and the
 * running sum from the top tells in which value the k-th best lies. After four
 * rounds the k-th best score is known, and how many of its equals belong to the
 * best. Then each thread counts, in its own stretch of columns, scores above it
 * and equal to it; the running sum of these counts says where in the result the
 * thread begins to write. Nothing depends on the order in which threads run.
 *
 * This module is browser compatible.
 */

import { type Kernel, spread } from "../kernel.ts";
import { EACH_ROW } from "./entry.ts";

/**
 * best[b] = the k columns of scores[b, n] with the largest scores, ascending;
 * of equal scores the lower column is better.
 */
export const TOP_K: Kernel<"rows" | "n" | "k"> = {
  label: "topK",
  sizes: ["rows", "n", "k"],
  inputs: ["scores"],
  outputs: ["best"],
  grid: ({ rows, k }) => spread(k === 0 ? 0 : rows),
  code: EACH_ROW + `
const THREADS = 256u; // as many as a byte has values

struct Sizes { rows: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read_write> best: array<u32>;

// The bits of a float as an integer of the same order.
fn ordered(bits: u32) -> u32 {
  if ((bits & 0x7fffffff) == 0) { return 0x80000000; } // 0 and −0 are equal
  return select(bits | 0x80000000, ~bits, (bits >> 31) == 1);
}

var<workgroup> sums: array<vec2u, THREADS>;

// The sum of the values of all threads before this one.
fn sumBefore(value: vec2u, local: u32) -> vec2u {
  var sum = value;
  for (var distance = 1u; distance < THREADS; distance *= 2) {
    workgroupBarrier();
    sums[local] = sum;
    workgroupBarrier();
    if (local >= distance) { sum += sums[local - distance]; }
  }
  return sum - value;
}

var<workgroup> histogram: array<atomic<u32>, THREADS>;
var<workgroup> chosen: u32;
var<workgroup> needed: u32;

fn computeRow(row: u32, local: u32) {
  let start = row * sizes.n;

  var threshold = 0u; // the bytes of the k-th best score that are fixed
  var remaining = sizes.k; // its rank among the scores with these bytes
  for (var round = 0u; round < 4; round++) {
    let shift = 24 - 8 * round;
    atomicStore(&histogram[local], 0);
    workgroupBarrier();
    for (var i = local; i < sizes.n; i += THREADS) {
      let score = ordered(scores[start + i]);
      // Shifting twice, for no shift by 32 is defined.
      if ((((score ^ threshold) >> shift) >> 8) == 0) {
        atomicAdd(&histogram[(score >> shift) & 0xff], 1);
      }
    }
    workgroupBarrier();
    let byte = 255 - local;
    let count = atomicLoad(&histogram[byte]);
    let above = sumBefore(vec2u(count, 0), local).x;
    if (above < remaining && remaining <= above + count) {
      chosen = byte;
      needed = remaining - above;
    }
    workgroupBarrier();
    threshold |= chosen << shift;
    remaining = needed;
  }

  // x counts scores above the threshold, y those equal to it.
  let stretch = (sizes.n + THREADS - 1) / THREADS;
  let first = min(local * stretch, sizes.n);
  let end = min(first + stretch, sizes.n);
  var counts = vec2u();
  for (var i = first; i < end; i++) {
    let score = ordered(scores[start + i]);
    counts += vec2u(u32(score > threshold), u32(score == threshold));
  }
  var before = sumBefore(counts, local);
  for (var i = first; i < end; i++) {
    let score = ordered(scores[start + i]);
    let equal = score == threshold;
    if (score > threshold || (equal && before.y < remaining)) {
      best[row * sizes.k + before.x + min(before.y, remaining)] = i;
    }
    before += vec2u(u32(score > threshold), u32(equal));
  }
}
`,
};

/**
 * Top k by radix selection: the columns of the k largest scores of each row, in
 * ascending order. A workgroup computes a row.
 *
 * 1. Each score becomes an integer of the same order.
 * 2. Four rounds find the k-th largest score byte by byte, from the highest
 *    byte. A histogram counts the next byte of all scores that share the bytes
 *    found so far. The running sum from the top shows which byte the k-th
 *    largest score has. It also shows how many scores equal to it belong to the
 *    result.
 * 3. Each thread counts the scores above the k-th and equal to it in a section
 *    of the columns. The running sum over the threads gives the place in the
 *    result where each thread starts to write.
 *
 * The result does not depend on the order in which threads run.
 *
 * This module is browser compatible.
 */

import { type Kernel, spread } from "../kernel.ts";
import { EACH_ROW } from "./wgsl.ts";

/**
 * best[b] = the columns of the k largest of scores[b, n], in ascending order.
 * Between equal scores the lower column wins.
 */
export const TOP_K: Kernel<"rows" | "n" | "k"> = {
  label: "topK",
  sizes: ["rows", "n", "k"],
  inputs: ["scores"],
  outputs: ["best"],
  grid: ({ rows, k }) => spread(k === 0 ? 0 : rows),
  code: EACH_ROW + `
const THREADS = 256u; // one per value of a byte

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

// The sum over all threads before this one.
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

  var threshold = 0u; // the bytes of the k-th largest score found so far
  var remaining = sizes.k; // its rank among the scores that share these bytes
  for (var round = 0u; round < 4; round++) {
    let shift = 24 - 8 * round;
    atomicStore(&histogram[local], 0);
    workgroupBarrier();
    for (var i = local; i < sizes.n; i += THREADS) {
      let score = ordered(scores[start + i]);
      // Two shifts, because WGSL does not define a shift by 32.
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

  // x counts the scores above the threshold, y the scores equal to it.
  let section = (sizes.n + THREADS - 1) / THREADS;
  let first = min(local * section, sizes.n);
  let end = min(first + section, sizes.n);
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

/**
 * Which values of a row are at least its mean. Rows are short: a thread has one
 * of its own, and the sum is in order.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";

/** y = 1 where x is at least the mean of its row, or the largest there, else 0. */
export const ABOVE_MEAN: Kernel<"rows" | "width"> = {
  label: "aboveMean",
  sizes: ["rows", "width"],
  inputs: ["x"],
  outputs: ["y"],
  grid: ({ rows }) => threads(rows),
  code: EACH_THREAD + `
struct Sizes { rows: u32, width: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn compute(row: u32) {
  if (row >= sizes.rows) { return; }
  let start = row * sizes.width;
  let end = start + sizes.width;

  var sum = 0.0;
  var largest = x[start];
  for (var i = start; i < end; i++) {
    sum += x[i];
    largest = max(largest, x[i]);
  }
  let least = min(sum / f32(sizes.width), largest);
  for (var i = start; i < end; i++) {
    y[i] = select(0.0, 1.0, x[i] >= least);
  }
}
`,
};

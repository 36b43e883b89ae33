/**
 * Moving the rows that stay: those outside a span, and of it those named.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";
import { type Lanes, withLanes, WORDS } from "./lanes.ts";

/**
 * y[b, s] = x[b, s] for s < start, x[b, start + kept[b, s − start]] for the
 * next k rows, and x[b, s − k + length] after them. There are `rows` rows of
 * `width` values in each sample of x; of the span's `length`, k are kept.
 */
export const GATHER_ROWS: Readonly<
  Record<
    Lanes,
    Kernel<"samples" | "rows" | "width" | "start" | "length" | "k">
  >
> = withLanes(WORDS, {
  label: "gatherRows",
  sizes: ["samples", "rows", "width", "start", "length", "k"],
  inputs: ["x", "kept"],
  outputs: ["y"],
  grid: ({ samples, rows, width, length, k }) =>
    threads(samples * (rows - length + k) * width),
  code: EACH_THREAD + `
struct Sizes {
  samples: u32,
  rows: u32,
  width: u32,
  start: u32,
  length: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<Values>;
@group(0) @binding(2) var<storage, read> kept: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

fn compute(i: u32) {
  let rows = sizes.rows - sizes.length + sizes.k;
  if (i >= sizes.samples * rows * sizes.width) { return; }
  let d = i % sizes.width;
  let sample = i / sizes.width / rows;
  var row = i / sizes.width % rows;
  if (row >= sizes.start + sizes.k) {
    row += sizes.length - sizes.k;
  } else if (row >= sizes.start) {
    row = sizes.start + kept[sample * sizes.k + row - sizes.start];
  }
  y[i] = x[(sample * sizes.rows + row) * sizes.width + d];
}
`,
});

/**
 * Copying consecutive rows from one tensor into another: slicing and joining.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";
import { type Lanes, withLanes, WORDS } from "./lanes.ts";

/**
 * y[b, newFirst + i] = x[b, first + i] for i < rows, in each of the samples; x
 * has `oldRows` rows of `width` values per sample, y has `newRows`.
 */
export const COPY_ROWS: Readonly<
  Record<
    Lanes,
    Kernel<
      | "samples"
      | "rows"
      | "width"
      | "first"
      | "oldRows"
      | "newFirst"
      | "newRows"
    >
  >
> = withLanes(WORDS, {
  label: "copyRows",
  sizes: [
    "samples",
    "rows",
    "width",
    "first",
    "oldRows",
    "newFirst",
    "newRows",
  ],
  inputs: ["x"],
  outputs: ["y"],
  grid: ({ samples, rows, width }) => threads(samples * rows * width),
  code: EACH_THREAD + `
struct Sizes {
  samples: u32,
  rows: u32,
  width: u32,
  first: u32,
  oldRows: u32,
  newFirst: u32,
  newRows: u32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<Values>;
@group(0) @binding(2) var<storage, read_write> y: array<Values>;

fn compute(i: u32) {
  if (i >= sizes.samples * sizes.rows * sizes.width) { return; }
  let d = i % sizes.width;
  let row = i / sizes.width % sizes.rows;
  let sample = i / sizes.width / sizes.rows;
  let source = sample * sizes.oldRows + sizes.first + row;
  y[(sample * sizes.newRows + sizes.newFirst + row) * sizes.width + d] =
    x[source * sizes.width + d];
}
`,
});

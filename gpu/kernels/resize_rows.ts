/**
 * Rows of another length, for kernels that take only multiples of four.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";

/** y[r, i] = x[r, i] for i < width, else 0; rows of y have length newWidth. */
export const RESIZE_ROWS: Kernel<"rows" | "width" | "newWidth"> = {
  label: "resizeRows",
  sizes: ["rows", "width", "newWidth"],
  inputs: ["x"],
  outputs: ["y"],
  grid: ({ rows, newWidth }) => threads(rows * newWidth),
  code: EACH_THREAD + `
struct Sizes { rows: u32, width: u32, newWidth: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn compute(i: u32) {
  if (i >= sizes.rows * sizes.newWidth) { return; }
  let column = i % sizes.newWidth;
  if (column < sizes.width) {
    y[i] = x[i / sizes.newWidth * sizes.width + column];
  } else {
    y[i] = 0.0;
  }
}
`,
};

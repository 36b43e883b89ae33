/**
 * Rows of another length, for kernels that take only multiples of four.
 *
 * This module is browser compatible.
 */

import { type Kernel, spread } from "../kernel.ts";

/** y[r, i] = x[r, i] for i < width, else 0; rows of y have length newWidth. */
export const RESIZE_ROWS: Kernel<"rows" | "width" | "newWidth"> = {
  label: "resizeRows",
  sizes: ["rows", "width", "newWidth"],
  inputs: ["x"],
  outputs: ["y"],
  grid: ({ rows, newWidth }) => spread(Math.ceil(rows * newWidth / 128)),
  code: `
struct Sizes { rows: u32, width: u32, newWidth: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.x + group.y * groups.x) * 128 + local;
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

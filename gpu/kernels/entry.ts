/**
 * Entry points of kernels that are spread over a grid of any size: with a thread
 * for each of many values, or a workgroup for each row.
 *
 * This module is browser compatible.
 */

import { type Grid, spread } from "../kernel.ts";

/**
 * For WGSL with a `fn compute(i: u32)`: a thread calls it for i = 0, 1, …, and
 * some call it beyond the last.
 */
export const EACH_THREAD = `
@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  compute((group.x + group.y * groups.x) * 128 + local);
}
`;

/** The grid of `EACH_THREAD`, given how many i there are. */
export function threads(count: number): Grid {
  return spread(Math.ceil(count / 128));
}

/**
 * For WGSL with a `fn computeRow(row: u32, local: u32)`: all of a workgroup's
 * `THREADS` threads call it, `local` being their number, for every row below
 * `sizes.rows`. The grid is `spread(rows)`.
 */
export const EACH_ROW = `
@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row < sizes.rows) { computeRow(row, local); }
}
`;

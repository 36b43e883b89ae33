/**
 * Looking up rows of a table.
 *
 * This module is browser compatible.
 */

import { type Kernel, spread } from "../kernel.ts";
import { type Lanes, withLanes, WORDS } from "./lanes.ts";

/**
 * y[i] = table[ids[i] − first] where that is one of `rows` rows: a table that
 * is too large to be bound comes in parts, and each run writes the rows that
 * its part has.
 */
export const EMBED: Readonly<
  Record<Lanes, Kernel<"count" | "width" | "first" | "rows">>
> = withLanes(WORDS, {
  label: "embed",
  sizes: ["count", "width", "first", "rows"],
  inputs: ["table", "ids"],
  outputs: ["y"],
  grid: ({ count, width }) => spread(Math.ceil(count * width / 128)),
  code: `
struct Sizes { count: u32, width: u32, first: u32, rows: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> table: array<Values>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.x + group.y * groups.x) * 128 + local;
  if (i >= sizes.count * sizes.width) { return; }
  let row = ids[i / sizes.width] - sizes.first; // large if it lies before
  if (row >= sizes.rows) { return; }
  y[i] = table[row * sizes.width + i % sizes.width];
}
`,
});

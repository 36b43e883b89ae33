/**
 * Sum of tensors, the second of which is repeated.
 *
 * This module is browser compatible.
 */

import { type Kernel, spread } from "../kernel.ts";
import { FLOATS, type Lanes, withLanes } from "./lanes.ts";

/** z[i] = x[i] + y[i mod period]; `count` and `period` in `Values`. */
export const ADD: Readonly<
  Record<Lanes, Kernel<"count" | "period">>
> = withLanes(FLOATS, {
  label: "add",
  sizes: ["count", "period"],
  inputs: ["x", "y"],
  outputs: ["z"],
  grid: ({ count }) => spread(Math.ceil(count / 128)),
  code: `
struct Sizes { count: u32, period: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<Values>;
@group(0) @binding(2) var<storage, read> y: array<Values>;
@group(0) @binding(3) var<storage, read_write> z: array<Values>;

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.x + group.y * groups.x) * 128 + local;
  if (i >= sizes.count) { return; }
  z[i] = x[i] + y[i % sizes.period];
}
`,
});

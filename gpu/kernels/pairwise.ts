/**
 * Sum and product of tensors value by value, the second of which is repeated.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";
import { FLOATS, type Lanes, withLanes } from "./lanes.ts";

/** z[i] = x[i] + y[i mod period]; `count` and `period` in `Values`. */
export const ADD: PairwiseKernels = pairwise("add", "+");

/** z[i] = x[i] · y[i mod period]; `count` and `period` in `Values`. */
export const MULTIPLY: PairwiseKernels = pairwise("multiply", "*");

/** A kernel of this file, by the values that a thread reads at once. */
export type PairwiseKernels = Readonly<
  Record<Lanes, Kernel<"count" | "period">>
>;

function pairwise(label: string, operator: "+" | "*"): PairwiseKernels {
  return withLanes(FLOATS, {
    label,
    sizes: ["count", "period"],
    inputs: ["x", "y"],
    outputs: ["z"],
    grid: ({ count }) => threads(count),
    code: EACH_THREAD + `
struct Sizes { count: u32, period: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<Values>;
@group(0) @binding(2) var<storage, read> y: array<Values>;
@group(0) @binding(3) var<storage, read_write> z: array<Values>;

fn compute(i: u32) {
  if (i >= sizes.count) { return; }
  z[i] = x[i] ${operator} y[i % sizes.period];
}
`,
  });
}

/**
 * Kernels that compute value by value: sum, product, and comparison with a
 * mean.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import {
  type Components,
  EACH_THREAD,
  FLOATS,
  threads,
  withVariants,
} from "./wgsl.ts";

/** z[i] = x[i] + y[i mod period]; `count` and `period` in `Values`. */
export const ADD: PairwiseKernels = pairwise("add", "+");

/** z[i] = x[i] · y[i mod period]; `count` and `period` in `Values`. */
export const MULTIPLY: PairwiseKernels = pairwise("multiply", "*");

/** Both variants of `ADD` or `MULTIPLY`. */
export type PairwiseKernels = Readonly<
  Record<Components, Kernel<"count" | "period">>
>;

function pairwise(label: string, operator: "+" | "*"): PairwiseKernels {
  return withVariants(FLOATS, {
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

/**
 * y = 1 if x is at least the mean of its row or the largest value there, else
 * 0. A thread computes a row, because rows are short. The order of the sum is
 * fixed.
 */
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

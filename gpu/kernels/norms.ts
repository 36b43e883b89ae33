/**
 * RMSNorm and LayerNorm. A workgroup computes a row, and reads it again from
 * the cache in each pass. LayerNorm takes the variance of x − mean in a second
 * pass, because Σx² / D − mean² cancels if the mean is far from zero.
 *
 * This module is browser compatible.
 */

import { type Kernel, spread } from "../kernel.ts";
import { type Components, EACH_ROW, FLOATS, withVariants } from "./wgsl.ts";

const SUM = `
const THREADS = 128u;
var<workgroup> partial: array<f32, THREADS>;

// The sum over all threads, by a tree.
fn sumOverThreads(value: f32, local: u32) -> f32 {
  workgroupBarrier(); // until all threads have read the last sum
  partial[local] = value;
  for (var half = THREADS / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local < half) { partial[local] += partial[local + half]; }
  }
  workgroupBarrier();
  return partial[0];
}
`;

/** y = x / √(Σ x² / D + ε) · weight. `width` is D in `Values`. */
export const RMS_NORM: Readonly<
  Record<Components, Kernel<"rows" | "width", "EPSILON">>
> = withVariants(FLOATS, {
  label: "rmsNorm",
  sizes: ["rows", "width"],
  inputs: ["x", "weight"],
  outputs: ["y"],
  grid: ({ rows }) => spread(rows),
  code: EACH_ROW + SUM + `
override EPSILON: f32;

struct Sizes { rows: u32, width: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<Values>;
@group(0) @binding(2) var<storage, read> weight: array<Values>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

fn computeRow(row: u32, local: u32) {
  let start = row * sizes.width;
  let D = f32(sizes.width * COMPONENTS);

  var square = 0.0;
  for (var d = local; d < sizes.width; d += THREADS) {
    square += total(x[start + d] * x[start + d]);
  }
  let scale = inverseSqrt(sumOverThreads(square, local) / D + EPSILON);

  for (var d = local; d < sizes.width; d += THREADS) {
    y[start + d] = x[start + d] * scale * weight[d];
  }
}
`,
});

/** y = (x − mean) / √(Σ (x − mean)² / D + ε) · weight + bias. */
export const LAYER_NORM: Readonly<
  Record<Components, Kernel<"rows" | "width", "EPSILON">>
> = withVariants(FLOATS, {
  label: "layerNorm",
  sizes: ["rows", "width"],
  inputs: ["x", "weight", "bias"],
  outputs: ["y"],
  grid: ({ rows }) => spread(rows),
  code: EACH_ROW + SUM + `
override EPSILON: f32;

struct Sizes { rows: u32, width: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<Values>;
@group(0) @binding(2) var<storage, read> weight: array<Values>;
@group(0) @binding(3) var<storage, read> bias: array<Values>;
@group(0) @binding(4) var<storage, read_write> y: array<Values>;

fn computeRow(row: u32, local: u32) {
  let start = row * sizes.width;
  let D = f32(sizes.width * COMPONENTS);

  var sum = 0.0;
  for (var d = local; d < sizes.width; d += THREADS) {
    sum += total(x[start + d]);
  }
  let mean = sumOverThreads(sum, local) / D;

  var deviation = 0.0;
  var square = 0.0;
  for (var d = local; d < sizes.width; d += THREADS) {
    let centred = x[start + d] - Values(mean);
    deviation += total(centred);
    square += total(centred * centred);
  }
  // The mean is rounded, so all deviations share an error. Their own mean
  // corrects it.
  let rest = sumOverThreads(deviation, local) / D;
  let variance = sumOverThreads(square, local) / D - rest * rest;
  let scale = inverseSqrt(variance + EPSILON);

  for (var d = local; d < sizes.width; d += THREADS) {
    let centred = x[start + d] - Values(mean) - Values(rest);
    y[start + d] = centred * scale * weight[d] + bias[d];
  }
}
`,
});

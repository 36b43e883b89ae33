/**
 * Kernels that move rows: copy, gather, look up and resize. One thread moves
 * one `Values`.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import {
  type Components,
  declareSizes,
  EACH_THREAD,
  threads,
  withVariants,
  WORDS,
} from "./wgsl.ts";

const COPY_SIZES = [
  "samples",
  "rows",
  "width",
  "first",
  "oldRows",
  "newFirst",
  "newRows",
] as const;

/** A size of `COPY_ROWS`. */
export type CopySize = typeof COPY_SIZES[number];

/**
 * y[b, newFirst + i] = x[b, first + i] for i < rows. Each sample of x has
 * `oldRows` rows of `width` `Values`, each sample of y has `newRows`.
 */
export const COPY_ROWS: Readonly<Record<Components, Kernel<CopySize>>> =
  withVariants(WORDS, {
    label: "copyRows",
    sizes: COPY_SIZES,
    inputs: ["x"],
    outputs: ["y"],
    grid: ({ samples, rows, width }) => threads(samples * rows * width),
    code: EACH_THREAD + declareSizes(COPY_SIZES) + `
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

const GATHER_SIZES = [
  "samples",
  "rows",
  "width",
  "start",
  "length",
  "k",
] as const;

/**
 * Keeps k rows of a span and all rows outside it:
 *
 *     y[b, s] = x[b, s]                           s < start
 *     y[b, s] = x[b, start + kept[b, s − start]]  start ≤ s < start + k
 *     y[b, s] = x[b, s − k + length]              start + k ≤ s
 *
 * Each sample of x has `rows` rows of `width` `Values`.
 */
export const GATHER_ROWS: Readonly<
  Record<Components, Kernel<typeof GATHER_SIZES[number]>>
> = withVariants(WORDS, {
  label: "gatherRows",
  sizes: GATHER_SIZES,
  inputs: ["x", "kept"],
  outputs: ["y"],
  grid: ({ samples, rows, width, length, k }) =>
    threads(samples * (rows - length + k) * width),
  code: EACH_THREAD + declareSizes(GATHER_SIZES) + `
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

/**
 * y[i] = table[ids[i] − first] if that is one of the table's `rows` rows. A table
 * that exceeds the limit of a binding comes in parts: the kernel runs once for
 * each part, and writes the rows that the part has.
 */
export const EMBED: Readonly<
  Record<Components, Kernel<"count" | "width" | "first" | "rows">>
> = withVariants(WORDS, {
  label: "embed",
  sizes: ["count", "width", "first", "rows"],
  inputs: ["table", "ids"],
  outputs: ["y"],
  grid: ({ count, width }) => threads(count * width),
  code: EACH_THREAD + `
struct Sizes { count: u32, width: u32, first: u32, rows: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> table: array<Values>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

fn compute(i: u32) {
  if (i >= sizes.count * sizes.width) { return; }
  let row = ids[i / sizes.width] - sizes.first; // wraps if the id is below first
  if (row >= sizes.rows) { return; }
  y[i] = table[row * sizes.width + i % sizes.width];
}
`,
});

/** y[r, i] = x[r, i] for i < width, else 0. Rows of y have `newWidth` values. */
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

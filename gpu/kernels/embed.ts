/**
 * Looking up rows of a table.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";
import { EACH_THREAD, threads } from "./entry.ts";
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
  grid: ({ count, width }) => threads(count * width),
  code: EACH_THREAD + `
struct Sizes { count: u32, width: u32, first: u32, rows: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> table: array<Values>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Values>;

fn compute(i: u32) {
  if (i >= sizes.count * sizes.width) { return; }
  let row = ids[i / sizes.width] - sizes.first; // large if it lies before
  if (row >= sizes.rows) { return; }
  y[i] = table[row * sizes.width + i % sizes.width];
}
`,
});

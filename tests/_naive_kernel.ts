/** The kernel of docs/kernels.md that computes each output in a thread of its own. */

import type { Kernel } from "../gpu/mod.ts";
import { readPage } from "./_docs.ts";

/** Names of its sizes. */
export type NaiveSize = "rows" | "columns" | "depth";

/** out [M, O] = x [M, I] · Wᵀ, W [O, I], as the page has it. */
export const NAIVE_LINEAR: Kernel<NaiveSize> = {
  label: "naiveLinear",
  sizes: ["rows", "columns", "depth"],
  inputs: ["x", "w"],
  outputs: ["out"],
  grid: ({ rows, columns }) => [Math.ceil(columns / 8), Math.ceil(rows / 8), 1],
  code: (await readPage("kernels.md")).block("wgsl"),
};

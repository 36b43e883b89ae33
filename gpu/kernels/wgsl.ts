/**
 * WGSL that kernels share: entry points for grids of any size, vector types,
 * and the struct of sizes.
 *
 * This module is browser compatible.
 */

import { type Grid, type Kernel, spread } from "../kernel.ts";

/**
 * The entry point of a kernel that defines `fn compute(i: u32)`. Each thread
 * calls it once, for i = 0, 1, …; the last threads exceed the range and must do
 * nothing.
 */
export const EACH_THREAD = `
@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  compute((workgroup.x + workgroup.y * workgroups.x) * 128 + local);
}
`;

/** The grid of `EACH_THREAD` for i < count. */
export function threads(count: number): Grid {
  return spread(Math.ceil(count / 128));
}

/**
 * The entry point of a kernel that defines `THREADS` and
 * `fn computeRow(row: u32, local: u32)`. A workgroup computes a row: each of its
 * threads calls the function with its own number `local`. The grid is
 * `spread(rows)`.
 */
export const EACH_ROW = `
@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.x + workgroup.y * workgroups.x;
  if (row < sizes.rows) { computeRow(row, local); }
}
`;

/** The struct of sizes, for kernels whose list of sizes exceeds a line. */
export function declareSizes(sizes: readonly string[]): string {
  return `
struct Sizes {
${sizes.map((name) => `  ${name}: u32,\n`).join("")}}
@group(0) @binding(0) var<uniform> sizes: Sizes;
`;
}

/** Values that a thread reads at once: the components of a vector. */
export type Components = 1 | 4;

/** WGSL of `Values`, floats that a thread reads at once, and of their sum. */
export const FLOATS: Readonly<Record<Components, string>> = {
  1: `
const COMPONENTS = 1u;
alias Values = f32;
fn total(x: Values) -> f32 { return x; }
`,
  4: `
const COMPONENTS = 4u;
alias Values = vec4f;
fn total(x: Values) -> f32 { return dot(x, vec4f(1.0)); }
`,
};

/** WGSL of `Values` for kernels that move floats or integers. */
export const WORDS: Readonly<Record<Components, string>> = {
  1: "alias Values = u32;\n",
  4: "alias Values = vec4u;\n",
};

/** A variant of a kernel for each text that may precede its WGSL. */
export function withVariants<
  V extends PropertyKey,
  S extends string,
  C extends string,
>(
  texts: Readonly<Record<V, string>>,
  kernel: Kernel<S, C>,
): Readonly<Record<V, Kernel<S, C>>> {
  const variants = {} as Record<V, Kernel<S, C>>;
  for (const key in texts) {
    variants[key] = { ...kernel, code: texts[key] + kernel.code };
  }
  return variants;
}

/** The values to read at once from rows of a length. */
export function componentsOf(length: number): Components {
  return length % 4 === 0 ? 4 : 1;
}

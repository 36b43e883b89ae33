/**
 * Kernels whose rows are read value by value or, where their length is a
 * multiple of four, four values at a time. Their WGSL is the same but for what
 * `Values` means.
 *
 * This module is browser compatible.
 */

import type { Kernel } from "../kernel.ts";

/** How many values a thread reads at once. */
export type Lanes = 1 | 4;

/** What `Values` means, and the sum of their parts. */
export const FLOATS: Readonly<Record<Lanes, string>> = {
  1: `
const LANES = 1u;
alias Values = f32;
fn total(x: Values) -> f32 { return x; }
`,
  4: `
const LANES = 4u;
alias Values = vec4f;
fn total(x: Values) -> f32 { return dot(x, vec4f(1.0)); }
`,
};

/** For kernels that only move values, be they floats or integers. */
export const WORDS: Readonly<Record<Lanes, string>> = {
  1: "alias Values = u32;\n",
  4: "alias Values = vec4u;\n",
};

/** A kernel that is written in terms of `Values`, with both their meanings. */
export function withLanes<S extends string, C extends string>(
  values: Readonly<Record<Lanes, string>>,
  kernel: Kernel<S, C>,
): Readonly<Record<Lanes, Kernel<S, C>>> {
  const meaning = (lanes: Lanes): Kernel<S, C> => ({
    ...kernel,
    code: values[lanes] + kernel.code,
  });
  return { 1: meaning(1), 4: meaning(4) };
}

/** How many values to read at once from rows of a length. */
export function lanesOf(length: number): Lanes {
  return length % 4 === 0 ? 4 : 1;
}

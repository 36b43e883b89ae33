/**
 * A compute kernel is data: WGSL, what it binds, and how many workgroups it
 * takes. `runner.ts` runs any of them.
 *
 * What WGSL and host agree on: the entry point is `main`; all bindings are in
 * group 0; binding 0 is a uniform struct of the sizes, all `u32`; then come the
 * inputs (`var<storage, read>`), then the outputs (`var<storage, read_write>`),
 * numbered on. A kernel without sizes begins with its inputs at binding 1. What
 * is fixed when a pipeline is made (tile sizes, ε, flags) is an `override`
 * constant. Every buffer is a multiple of 16 bytes long, so an array may be
 * declared of `f32` or of `vec4f`; what lies behind a tensor's last value is
 * left over from earlier uses and may be anything.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor, Weight } from "../core/backend.ts";

/** Workgroups along x, y and z; no kernel runs where one of them is 0. */
export type Grid = readonly [x: number, y: number, z: number];

/**
 * A compute kernel.
 *
 * @typeParam Size names of its sizes
 * @typeParam Constant names of its override constants
 *
 * @example y = x · factor, 64 values per workgroup
 * ```ts
 * import { type Kernel, spread } from "@tokensieve/tokensieve/gpu";
 *
 * export const SCALE: Kernel<"n", "FACTOR"> = {
 *   label: "scale",
 *   sizes: ["n"],
 *   inputs: ["x"],
 *   outputs: ["y"],
 *   grid: ({ n }) => spread(Math.ceil(n / 64)),
 *   code: `
 *     override FACTOR: f32;
 *     struct Sizes { n: u32 }
 *     @group(0) @binding(0) var<uniform> sizes: Sizes;
 *     @group(0) @binding(1) var<storage, read> x: array<f32>;
 *     @group(0) @binding(2) var<storage, read_write> y: array<f32>;
 *
 *     @compute @workgroup_size(64)
 *     fn main(
 *       @builtin(workgroup_id) group: vec3u,
 *       @builtin(num_workgroups) groups: vec3u,
 *       @builtin(local_invocation_index) local: u32,
 *     ) {
 *       let i = (group.x + group.y * groups.x) * 64 + local;
 *       if (i >= sizes.n) { return; }
 *       y[i] = x[i] * FACTOR;
 *     }
 *   `,
 * };
 * // runner.run(SCALE, {
 * //   inputs: [x], outputs: [y], sizes: { n: 100 }, constants: { FACTOR: 2 },
 * // });
 * ```
 */
export interface Kernel<
  Size extends string = string,
  Constant extends string = never,
> {
  /** Its name in errors and profiles. */
  readonly label: string;
  /** WGSL. */
  readonly code: string;
  /** The fields of its uniform struct, in order. */
  readonly sizes: readonly Size[];
  /** The arrays it reads, in order of binding. */
  readonly inputs: readonly string[];
  /** The arrays it writes, in order of binding. */
  readonly outputs: readonly string[];
  /**
   * Floating-point operations of a run, where they may be very many: what is
   * recorded is submitted in pieces then, for systems reset a GPU that is busy
   * with one submission for seconds.
   */
  readonly flop?: (
    sizes: Readonly<Record<Size, number>>,
    constants: Readonly<Record<Constant, number>>,
  ) => number;
  /** How many workgroups a run takes. */
  readonly grid: (
    sizes: Readonly<Record<Size, number>>,
    constants: Readonly<Record<Constant, number>>,
  ) => Grid;
}

/** Tensors, sizes and constants of one run of a kernel. */
export interface KernelRun<Size extends string, Constant extends string> {
  /**
   * As many as `Kernel.inputs`. A kernel that has been told by a constant not
   * to read an input gets `undefined`.
   */
  readonly inputs: readonly (Tensor | Indices | Weight | undefined)[];
  /** As many as `Kernel.outputs`, and none of them among the inputs. */
  readonly outputs: readonly (Tensor | Indices)[];
  /** Integers from 0 to 2³² − 1. */
  readonly sizes: Readonly<Record<Size, number>>;
  /** For every combination of them a pipeline is compiled; booleans are 0 or 1. */
  readonly constants: Readonly<Record<Constant, number>>;
}

/** WebGPU's limit of workgroups along one dimension. */
const MAX_WORKGROUPS = 65_535;

/**
 * A grid of at least `count` workgroups, however many, for kernels that number
 * them `group.x + group.y * groups.x`. The last ones may lie beyond `count`.
 */
export function spread(count: number): Grid {
  const y = Math.ceil(count / MAX_WORKGROUPS);
  return [Math.ceil(count / Math.max(y, 1)), y, 1];
}

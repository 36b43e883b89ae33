/**
 * A compute kernel is data: WGSL, its bindings and its grid. `runner.ts` runs
 * it.
 *
 * WGSL and host share these conventions:
 *
 * - The entry point is `main`, and all bindings are in group 0.
 * - Binding 0 is a uniform struct of the sizes, all `u32`. A kernel without
 *   sizes has no binding 0.
 * - Bindings from 1 on are the inputs (`var<storage, read>`) and then the outputs
 *   (`var<storage, read_write>`).
 * - A value that is fixed at compile time (tile sizes, ε) is an `override`
 *   constant.
 * - The length of every buffer is a multiple of 16 bytes, so an array may be
 *   declared as `f32` or `vec4f`. Values beyond the end of a tensor are
 *   undefined.
 *
 * This module is browser compatible.
 */

import type { Indices, Tensor, Weight } from "../core/backend.ts";

/** The number of workgroups along x, y and z. If one is 0, nothing runs. */
export type Grid = readonly [x: number, y: number, z: number];

/**
 * A compute kernel.
 *
 * @typeParam Size names of its sizes
 * @typeParam Constant names of its override constants
 *
 * @example y = x · FACTOR, 64 values per workgroup
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
 *       @builtin(workgroup_id) workgroup: vec3u,
 *       @builtin(num_workgroups) workgroups: vec3u,
 *       @builtin(local_invocation_index) local: u32,
 *     ) {
 *       let i = (workgroup.x + workgroup.y * workgroups.x) * 64 + local;
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
  /** The names of the arrays that it reads, in the order of the bindings. */
  readonly inputs: readonly string[];
  /** The names of the arrays that it writes, in the order of the bindings. */
  readonly outputs: readonly string[];
  /**
   * The floating-point operations of a run, for kernels with many of them. The
   * runner splits long work into several submissions, because an operating
   * system resets a GPU that works on one submission for seconds.
   */
  readonly flop?: (
    sizes: Readonly<Record<Size, number>>,
    constants: Readonly<Record<Constant, number>>,
  ) => number;
  /** The workgroups of a run. */
  readonly grid: (
    sizes: Readonly<Record<Size, number>>,
    constants: Readonly<Record<Constant, number>>,
  ) => Grid;
}

/** The tensors, sizes and constants of one run of a kernel. */
export interface KernelRun<Size extends string, Constant extends string> {
  /**
   * One tensor for each of `Kernel.inputs`. `undefined` stands for an input
   * that the kernel does not read, as its sizes or constants say.
   */
  readonly inputs: readonly (Tensor | Indices | Weight | undefined)[];
  /** One tensor for each of `Kernel.outputs`. None is also an input. */
  readonly outputs: readonly (Tensor | Indices)[];
  /** Integers from 0 to 2³² − 1. */
  readonly sizes: Readonly<Record<Size, number>>;
  /** Each combination has a pipeline of its own. Booleans are 0 or 1. */
  readonly constants: Readonly<Record<Constant, number>>;
}

/** WebGPU's limit of workgroups along a dimension. */
const MAX_WORKGROUPS = 65_535;

/**
 * A grid of at least `count` workgroups, for any count. The number of a
 * workgroup is `workgroup.x + workgroup.y * workgroups.x`. The last numbers may
 * exceed `count`.
 */
export function spread(count: number): Grid {
  const y = Math.ceil(count / MAX_WORKGROUPS);
  return [Math.ceil(count / Math.max(y, 1)), y, 1];
}

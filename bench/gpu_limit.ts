/**
 * The limits of a GPU in WGSL: multiply-adds without memory accesses, and memory
 * reads without arithmetic.
 */

import type { Context } from "../gpu/context.ts";
import { type Kernel, spread } from "../gpu/mod.ts";
import type { GpuTensor } from "../gpu/tensors.ts";

const THREADS = 256;
/**
 * Turns of the loop, and the vec4 sums of a thread. The components of these sums
 * are independent of each other, and they fit into registers.
 */
const TURNS = 256;
const SUMS = 2;
const FLOP_PER_GROUP = THREADS * SUMS * TURNS * 4 * 2;

/** y depends on every multiply-add. The compiler does not know `factor`. */
const MULTIPLY_ADD: Kernel<"groups" | "factor"> = {
  label: "multiplyAdd",
  sizes: ["groups", "factor"],
  inputs: [],
  outputs: ["y"],
  grid: ({ groups }) => spread(groups),
  code: `
const TURNS = 256u;
struct Sizes { groups: u32, factor: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  if (workgroup.x + workgroup.y * workgroups.x >= sizes.groups) { return; }
  let a = vec4f(f32(sizes.factor));
  let b = vec4f(f32(local));
  var s0 = b;
  var s1 = b + 1;
  for (var turn = 0u; turn < TURNS; turn++) {
    s0 = fma(s0, a, b);
    s1 = fma(s1, a, b);
  }
  y[local] = s0 + s1;
}
`,
};

/** Reads `vectors` vec4 once, 16 per thread. */
const READ: Kernel<"vectors"> = {
  label: "read",
  sizes: ["vectors"],
  inputs: ["x"],
  outputs: ["y"],
  grid: ({ vectors }) => spread(Math.ceil(vectors / (16 * THREADS))),
  code: `
const THREADS = 256u;
struct Sizes { vectors: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (workgroup.x + workgroup.y * workgroups.x) * 16 * THREADS;
  let end = min(first + 16 * THREADS, sizes.vectors);
  var sum = vec4f();
  for (var i = first + local; i < end; i += THREADS) { sum += x[i]; }
  // This never happens, but the compiler cannot know that.
  if (sum.x > 1e30) { y[local] = sum; }
}
`,
};

/** Records at least `flop` floating-point operations. */
export function recordArithmetic(
  { runner, tensors }: Context,
  flop: number,
): void {
  const y = tensors.make("float", [4 * THREADS]);
  runner.run(MULTIPLY_ADD, {
    inputs: [],
    outputs: [y],
    sizes: { groups: Math.ceil(flop / FLOP_PER_GROUP), factor: 0 },
    constants: {},
  });
  tensors.free(y);
}

/** Records a read of all values of a tensor. */
export function recordReading(
  { runner, tensors }: Context,
  x: GpuTensor<"float">,
): void {
  const y = tensors.make("float", [4 * THREADS]);
  runner.run(READ, {
    inputs: [x],
    outputs: [y],
    sizes: { vectors: x.shape[0] / 4 },
    constants: {},
  });
  tensors.free(y);
}

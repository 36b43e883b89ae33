/**
 * out = silu(gate) · activation(x · weightᵀ + bias) + residual, for matrices
 * and for few rows.
 *
 * x and weight are read as vec4 along the depth. Four columns are multiplied at
 * once: b is a 4 × 4 matrix of a vec4 from each of four rows of weight, and a is
 * a vec4 of x. Component c of b · a adds to the sum of column c.
 *
 * This module is browser compatible.
 */

import type { Activation } from "../../core/backend.ts";
import type { WeightType } from "../../core/checkpoints/quantize.ts";
import type { Kernel } from "../kernel.ts";
import { WEIGHT_READERS } from "./stored_weights.ts";
import { declareSizes, withVariants } from "./wgsl.ts";

/**
 * x has `rows` rows of `depth` vec4. The weight holds `columns` of the `stride`
 * output features, from `start` on. `bias`, `gate` and `residual` are 1 if they
 * are given, and `activation` is an index into `ACTIVATIONS`.
 */
const SIZES = [
  "rows",
  "columns",
  "depth",
  "start",
  "stride",
  "bias",
  "activation",
  "gate",
  "residual",
] as const;

/** A size of the linear kernels. */
export type LinearSize = typeof SIZES[number];

/** The activations by number. */
export const ACTIVATIONS: readonly (Activation | undefined)[] = [
  undefined,
  "gelu",
  "gelu_tanh",
  "quick_gelu",
];

const BINDINGS = {
  sizes: SIZES,
  inputs: ["x", "weight", "bias", "gate", "residual"],
  outputs: ["out"],
} as const;

/**
 * Declarations, and `writeOutput(row, column, product)`, which applies the
 * epilogue and skips positions outside the matrix. Sizes select the epilogue,
 * not constants: the test takes no time beside the product, and all
 * combinations share a pipeline.
 *
 * All constants have defaults, which no pipeline uses. Without them, one
 * compiler reports an uninitialised value if the size of an array depends on
 * the constant.
 *
 * The exponents are bounded, because WGSL does not define infinities.
 */
const COMMON = declareSizes(SIZES) + `
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<Stored>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> gate: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

override X: u32 = 8;
override Y: u32 = 8;

fn sigmoid(z: f32) -> f32 {
  return 1 / (1 + exp(min(-z, 80)));
}

// z Φ(z), where Φ(z) = erfc(−z / √2) / 2. The series gives erfc(a) for a ≥ 0
// with a relative error of 1.2e-7 (Press et al., Numerical Recipes, "erfcc").
fn gelu(z: f32) -> f32 {
  let a = min(abs(z) * 0.70710678, 9);
  let t = 1 / (1 + 0.5 * a);
  let series = -1.26551223 + t * (1.00002368 + t * (0.37409196 +
    t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 +
    t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 +
    t * 0.17087277))))))));
  let tail = 0.5 * t * exp(-a * a + series);
  return z * select(tail, 1 - tail, z > 0);
}

// tanh(10) rounds to 1. Beyond it an implementation may overflow.
fn geluTanh(z: f32) -> f32 {
  let a = 0.79788456 * (z + 0.044715 * z * z * z);
  return 0.5 * z * (1 + tanh(clamp(a, -10, 10)));
}

fn writeOutput(row: u32, column: u32, product: f32) {
  if (row >= sizes.rows || column >= sizes.columns) { return; }
  let at = row * sizes.stride + sizes.start + column;
  var value = product;
  if (sizes.bias == 1) { value += bias[sizes.start + column]; }
  switch (sizes.activation) {
    case 1: { value = gelu(value); }
    case 2: { value = geluTanh(value); }
    case 3: { value = value * sigmoid(1.702 * value); }
    default: {}
  }
  if (sizes.gate == 1) { value *= gate[at] * sigmoid(gate[at]); }
  if (sizes.residual == 1) { value += residual[at]; }
  out[at] = value;
}
`;

/**
 * One vec4 of depth in a thread: its 8 vec4 of weight are in registers (`b0`,
 * `b1`), and its 8 vec4 of x (`xs`) follow one by one. The code is unrolled so
 * that every index is constant. Otherwise the sums would not be in registers.
 */
const ADD_PRODUCTS = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((r) =>
  [0, 1].map((half) => {
    const sum = `sums${r >> 2}${half}[${r % 4}]`;
    return `      ${sum} = plusProduct(${sum}, b${half}, (*xs)[${r}]);`;
  })
).join("\n");

/**
 * A matrix product by tiles. A workgroup computes a tile of 8 Y × 8 X outputs,
 * K vec4 of depth at a time. Here X = 4 and Y = 2, and each letter is a thread:
 *
 *                       wTile: 8 X rows of weight,
 *                       K vec4 each
 *                      ┌─────────────────────────────┐
 *                      └─────────────────────────────┘
 *     xTile: 8 Y rows  ┌─────────────────────────────┐
 *     of x, K vec4     │ a b c d  a b c d … a b c d  │ out: the rows of a
 *     each             │ e f g h  e f g h … e f g h  │ thread are Y apart,
 *     ┌────┐           │ a b c d  a b c d … a b c d  │ and its columns X,
 *     │    │           │ e f g h  e f g h … e f g h  │ so neighbours read
 *     │    │           │ …                           │ and write adjacent
 *     └────┘           └─────────────────────────────┘ memory
 *
 * A thread has 8 × 8 sums, in registers. For each vec4 of depth:
 *
 *                       b0: 4 columns  b1: 4 columns (8 vec4 of wTile)
 *                      ┌──────────────┬──────────────┐
 *     vec4 of x, r < 4 │ sums00[r]    │ sums01[r]    │ a sum is a vec4 of
 *                      ├──────────────┼──────────────┤ 4 columns
 *     vec4 of x, r ≥ 4 │ sums10[r−4]  │ sums11[r−4]  │
 *                      └──────────────┴──────────────┘
 *
 * With Z > 1, Z threads share the same sums: each takes every Z-th vec4 of
 * depth. They add up their sums in the memory of wTile, so Y Z ≤ 8 K.
 */
export const MATRIX_LINEAR: Readonly<
  Record<WeightType, Kernel<LinearSize, "X" | "Y" | "Z" | "K">>
> = withVariants(WEIGHT_READERS, {
  label: "matrixLinear",
  ...BINDINGS,
  flop: ({ rows, columns, depth }) => 2 * rows * columns * 4 * depth,
  grid: ({ rows, columns }, { X, Y }) => [
    Math.ceil(columns / (8 * X)),
    Math.ceil(rows / (8 * Y)),
    1,
  ],
  code: COMMON + `
override Z: u32 = 1;
override K: u32 = 4;

// The 8 vec4 of a thread at one depth. The padding (9 vec4, and Y + 1 or X + 1
// threads per depth) puts neighbours into different memory banks.
alias Eight = array<vec4f, 9>;
var<workgroup> xTile: array<Eight, (Y + 1) * K>;
var<workgroup> wTile: array<Eight, (X + 1) * K>;

// sum + b a, by single products, so that a compiler can fuse each with its
// addition.
fn plusProduct(sum: vec4f, b: mat4x4f, a: vec4f) -> vec4f {
  return sum + a.x * b[0] + a.y * b[1] + a.z * b[2] + a.w * b[3];
}

@compute @workgroup_size(X, Y, Z)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = workgroup.y * 8 * Y;
  let column = workgroup.x * 8 * X;
  var sums00 = mat4x4f();
  var sums01 = mat4x4f();
  var sums10 = mat4x4f();
  var sums11 = mat4x4f();
  for (var start = 0u; start < sizes.depth; start += K) {
    // Values outside the matrices are zero.
    for (var i = index; i < 8 * Y * K; i += X * Y * Z) {
      let r = row + i / K;
      let k = start + i % K;
      var value = vec4f();
      if (r < sizes.rows && k < sizes.depth) {
        value = x[r * sizes.depth + k];
      }
      xTile[i % K * (Y + 1) + i / K % Y][i / K / Y] = value;
    }
    for (var i = index; i < 8 * X * K; i += X * Y * Z) {
      let c = column + i / K;
      let k = start + i % K;
      var value = vec4f();
      if (c < sizes.columns && k < sizes.depth) {
        value = weightAt(c, k);
      }
      wTile[i % K * (X + 1) + i / K % X][i / K / X] = value;
    }
    workgroupBarrier();
    let end = min(K, sizes.depth - start);
    for (var k = local.z; k < end; k += Z) {
      let w = &wTile[k * (X + 1) + local.x];
      let b0 = transpose(mat4x4f((*w)[0], (*w)[1], (*w)[2], (*w)[3]));
      let b1 = transpose(mat4x4f((*w)[4], (*w)[5], (*w)[6], (*w)[7]));
      let xs = &xTile[k * (Y + 1) + local.y];
${ADD_PRODUCTS}
    }
    workgroupBarrier();
  }
  // A loop contains the epilogue once. Unrolled, it takes seconds to compile.
  var sums = array(sums00, sums01, sums10, sums11);
  for (var i = 0u; i < 16; i++) {
    var sum = sums[i / 4][i % 4];
    if (Z > 1) {
      workgroupBarrier();
      wTile[index / 8][index % 8] = sum;
      workgroupBarrier();
      sum = vec4f();
      for (var i = index % (X * Y); i < X * Y * Z; i += X * Y) {
        sum += wTile[i / 8][i % 8];
      }
    }
    if (i % Z == local.z) { // one of the Z threads writes the sum
      let r = row + local.y + (i / 8 * 4 + i % 4) * Y;
      let c = column + local.x + i / 4 % 2 * 4 * X;
      for (var part = 0u; part < 4; part++) {
        writeOutput(r, c + part * X, sum[part]);
      }
    }
  }
}
`,
});

/**
 * The product of a row. A workgroup computes 4 Y columns of it, and a team of X
 * threads shares the depth of four columns. Reading the weight takes the most
 * time here, so neighbouring threads read neighbouring vec4. X is a power of
 * two, at least 4.
 */
export const ROW_LINEAR: Readonly<
  Record<WeightType, Kernel<LinearSize, "X" | "Y">>
> = withVariants(WEIGHT_READERS, {
  label: "rowLinear",
  ...BINDINGS,
  grid: ({ rows, columns }, { Y }) => [Math.ceil(columns / (4 * Y)), rows, 1],
  code: COMMON + `
var<workgroup> partial: array<vec4f, X * Y>;

@compute @workgroup_size(X, Y)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = workgroup.y;
  let column = 4 * (workgroup.x * Y + local.y);
  // Columns beyond the last one repeat it; writeOutput() skips them.
  let last = sizes.columns - 1;
  let w = min(column + vec4u(0, 1, 2, 3), vec4u(last));
  var sum = vec4f();
  for (var k = local.x; k < sizes.depth; k += X) {
    sum += x[row * sizes.depth + k] * mat4x4f(
      weightAt(w[0], k),
      weightAt(w[1], k),
      weightAt(w[2], k),
      weightAt(w[3], k),
    );
  }
  partial[index] = sum;
  for (var half = X / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (local.x < half) { partial[index] += partial[index + half]; }
  }
  workgroupBarrier();
  if (local.x < 4) {
    writeOutput(row, column + local.x, partial[index - local.x][local.x]);
  }
}
`,
});

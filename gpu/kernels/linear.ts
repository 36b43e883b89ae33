/**
 * out = silu(gate) · activation(x · weightᵀ + bias) + residual: matrix times
 * matrix, and row times matrix.
 *
 * x and weight are read as vec4 along the depth. With four rows of weight as the
 * rows of a 4 × 4 matrix b, and a vec4 of x as a, the product b · a has in place
 * c what the four values add to the sum of that row of x and row c of weight.
 *
 * This module is browser compatible.
 */

import type { Activation } from "../../core/backend.ts";
import type { WeightType } from "../../core/checkpoints/quantize.ts";
import type { Kernel } from "../kernel.ts";
import { EPILOGUE } from "./linear_epilogue.ts";
import { STORED } from "./stored_weights.ts";

/**
 * x has `rows` rows of `depth` vec4. Of `stride` output features the weight
 * has `columns`, from `start` on. `bias`, `gate` and `residual` are 1 where they
 * are there, and `activation` is an index into `ACTIVATIONS`.
 */
export type LinearSize =
  | "rows"
  | "columns"
  | "depth"
  | "start"
  | "stride"
  | "bias"
  | "activation"
  | "gate"
  | "residual";

/** What `activation` numbers. */
export const ACTIVATIONS: readonly (Activation | undefined)[] = [
  undefined,
  "gelu",
  "gelu_tanh",
  "quick_gelu",
];

const BINDINGS = {
  sizes: [
    "rows",
    "columns",
    "depth",
    "start",
    "stride",
    "bias",
    "activation",
    "gate",
    "residual",
  ],
  inputs: ["x", "weight", "bias", "gate", "residual"],
  outputs: ["out"],
} as const;

/**
 * All constants have defaults, which no pipeline uses: there is a compiler that
 * takes one without for uninitialised where the size of an array hangs on it.
 */
const DECLARATIONS = `
override X: u32 = 8;
override Y: u32 = 8;

struct Sizes {
  rows: u32,
  columns: u32,
  depth: u32,
  start: u32,
  stride: u32,
  bias: u32,
  activation: u32,
  gate: u32,
  residual: u32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<Stored>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> gate: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
`;

/**
 * What a thread does with its 8 rows of x, `x`, and 8 of weight, `b0` and `b1`.
 * Row after row: of all that is read only the weight stays in registers, beside
 * the sums. Every index is a constant, so that these are in registers at all.
 */
const EACH_ROW = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((r) =>
  [0, 1].map((half) => {
    const sum = `sums${r >> 2}${half}[${r % 4}]`;
    return `      ${sum} = plusProduct(${sum}, b${half}, (*x)[${r}]);`;
  })
).join("\n");

/**
 * Each workgroup computes a tile of 8 Y rows × 8 X columns, K vec4 of depth at
 * a time. Each thread holds 8 × 8 sums, of rows Y and columns X apart: its
 * neighbours then read and write what lies side by side. Z threads share the
 * depth of the same sums, each taking every Z-th vec4.
 *
 * The Z threads meet in what held the tile's weights: Y Z ≤ 8 K.
 */
export const MATRIX_LINEAR: Readonly<
  Record<WeightType, Kernel<LinearSize, "X" | "Y" | "Z" | "K">>
> = withWeights({
  label: "matrixLinear",
  ...BINDINGS,
  flop: ({ rows, columns, depth }) => 2 * rows * columns * 4 * depth,
  grid: ({ rows, columns }, { X, Y }) => [
    Math.ceil(columns / (8 * X)),
    Math.ceil(rows / (8 * Y)),
    1,
  ],
  code: DECLARATIONS + EPILOGUE + `
override Z: u32 = 1;
override K: u32 = 4;

// What a thread takes at one depth: of x its 8 rows, of weight its 8 columns.
// That they are 9, and one more than threads for each depth, keeps neighbours
// in different memory banks.
alias Eight = array<vec4f, 9>;
var<workgroup> xTile: array<Eight, (Y + 1) * K>;
var<workgroup> wTile: array<Eight, (X + 1) * K>;

// sum + b a, a product at a time, so that each is fused with its addition.
fn plusProduct(sum: vec4f, b: mat4x4f, a: vec4f) -> vec4f {
  return sum + a.x * b[0] + a.y * b[1] + a.z * b[2] + a.w * b[3];
}

@compute @workgroup_size(X, Y, Z)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y * 8 * Y;
  let column = group.x * 8 * X;
  var sums00 = mat4x4f();
  var sums01 = mat4x4f();
  var sums10 = mat4x4f();
  var sums11 = mat4x4f();
  for (var start = 0u; start < sizes.depth; start += K) {
    // What lies outside of the matrices counts as zero.
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
      let x = &xTile[k * (Y + 1) + local.y];
${EACH_ROW}
    }
    workgroupBarrier();
  }
  // In loops, which compile the epilogue once: 64 times would take seconds.
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
    if (i % Z == local.z) { // one of the Z threads stores it
      let r = row + local.y + (i / 8 * 4 + i % 4) * Y;
      let c = column + local.x + i / 4 % 2 * 4 * X;
      for (var part = 0u; part < 4; part++) { store(r, c + part * X, sum[part]); }
    }
  }
}
`,
});

/**
 * Each workgroup computes 4 Y columns of one row. X threads, a power of two from
 * four on, share the depth of four columns: together they read the weight, which
 * is what takes time here, in order.
 */
export const ROW_LINEAR: Readonly<
  Record<WeightType, Kernel<LinearSize, "X" | "Y">>
> = withWeights({
  label: "rowLinear",
  ...BINDINGS,
  grid: ({ rows, columns }, { Y }) => [Math.ceil(columns / (4 * Y)), rows, 1],
  code: DECLARATIONS + EPILOGUE + `
var<workgroup> partial: array<vec4f, X * Y>;

@compute @workgroup_size(X, Y)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let row = group.y;
  let column = 4 * (group.x * Y + local.y);
  // Columns past the last one repeat it; store() passes them over.
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
    store(row, column + local.x, partial[index - local.x][local.x]);
  }
}
`,
});

/** A kernel that is written in terms of `weightAt`, for all types of weights. */
function withWeights<C extends string>(
  kernel: Kernel<LinearSize, C>,
): Readonly<Record<WeightType, Kernel<LinearSize, C>>> {
  const stored = (type: WeightType): Kernel<LinearSize, C> => ({
    ...kernel,
    code: STORED[type] + kernel.code,
  });
  return {
    f32: stored("f32"),
    f16: stored("f16"),
    int8: stored("int8"),
    int4: stored("int4"),
  };
}

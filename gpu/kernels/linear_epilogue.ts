/**
 * What `linear` does with a product before it stores it.
 *
 * This module is browser compatible.
 */

/**
 * WGSL of `store(row, column, product)`, which passes over what lies outside of
 * the matrix, for kernels that declare the bindings and sizes it names. What is
 * to be done is said by sizes rather than by constants: it takes no time beside
 * the products, and all combinations share one pipeline.
 *
 * The exponents are bounded, for WGSL promises nothing about infinity.
 */
export const EPILOGUE = `
fn sigmoid(z: f32) -> f32 {
  return 1 / (1 + exp(min(-z, 80)));
}

// z Φ(z), where Φ(z) = erfc(−z / √2) / 2. Of erfc(a), a ≥ 0, to 1.2e-7 of its
// value: Press et al., Numerical Recipes, "erfcc".
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

// Beyond 10, tanh is one to the last bit, and may be computed through infinity.
fn geluTanh(z: f32) -> f32 {
  let a = 0.79788456 * (z + 0.044715 * z * z * z);
  return 0.5 * z * (1 + tanh(clamp(a, -10, 10)));
}

fn store(row: u32, column: u32, product: f32) {
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

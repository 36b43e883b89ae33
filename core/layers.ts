/**
 * Linear layers and norms: all parts of a model consist of them.
 *
 * This module is browser compatible.
 */

import type { Backend, LinearOptions, Tensor, Weight } from "./backend.ts";

/** A linear layer. */
export interface Linear {
  /** Shape [O, I]. */
  readonly weight: Weight;
  /** Shape [O], or null. */
  readonly bias: Tensor | null;
}

/** A LayerNorm, or, without a bias, an RMSNorm. */
export interface Norm {
  /** Shape [D]. */
  readonly weight: Tensor;
  /** Shape [D]; null for an RMSNorm. */
  readonly bias: Tensor | null;
}

/** Applies a linear layer to x [.., I], with the options of `Backend.linear`. */
export function applyLinear(
  backend: Backend,
  x: Tensor,
  { weight, bias }: Linear,
  options: Omit<LinearOptions, "bias"> = {},
): Tensor {
  return backend.linear(x, weight, bias ? { ...options, bias } : options);
}

/** A norm over the last dimension of x. */
export function applyNorm(
  backend: Backend,
  x: Tensor,
  { weight, bias }: Norm,
  epsilon: number,
): Tensor {
  return bias
    ? backend.layerNorm(x, weight, bias, epsilon)
    : backend.rmsNorm(x, weight, epsilon);
}

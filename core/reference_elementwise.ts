/**
 * Operations of the reference backend that go through tensors value by value.
 *
 * This module is browser compatible.
 */

import type { Tensor } from "./backend.ts";
import { floats, tensor } from "./reference_tensor.ts";

/** `Backend.add` of the reference. */
export function add(x: Tensor, y: Tensor): Tensor {
  return combine(x, y, (a, b) => a + b);
}

/** `Backend.multiply` of the reference. */
export function multiply(x: Tensor, y: Tensor): Tensor {
  return combine(x, y, (a, b) => a * b);
}

/** Repeats y where it lacks x's leading dimensions. */
function combine(
  x: Tensor,
  y: Tensor,
  operation: (a: number, b: number) => number,
): Tensor {
  const out = tensor(x.shape);
  const size = floats(y).length;
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = operation(floats(x)[i], floats(y)[i % size]);
  }
  return out;
}

/** `Backend.aboveMean` of the reference. */
export function aboveMean(x: Tensor): Tensor {
  const out = tensor(x.shape);
  const N = x.shape.at(-1)!;
  for (let row = 0; row < out.data.length; row += N) {
    const values = floats(x).subarray(row, row + N);
    const mean = values.reduce((sum, value) => sum + value, 0) / N;
    const least = Math.min(mean, Math.max(...values));
    for (let n = 0; n < N; n++) out.data[row + n] = values[n] >= least ? 1 : 0;
  }
  return out;
}

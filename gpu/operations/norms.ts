/**
 * Operations of the GPU backend: norms and rotary position embedding.
 *
 * This module is browser compatible.
 */

import type { Backend, Indices, Tensor } from "../../core/backend.ts";
import { sizeOf } from "../../core/sizes.ts";
import type { Context } from "../context.ts";
import { LAYER_NORM, RMS_NORM } from "../kernels/norms.ts";
import { ROPE } from "../kernels/rope.ts";
import { componentsOf } from "../kernels/wgsl.ts";

/** The operations of this file in a context. */
export function normOperations(
  { tensors, runner }: Context,
): Pick<Backend, "layerNorm" | "rmsNorm" | "rope"> {
  /** Runs a kernel that normalises each row of x. */
  function norm(
    kernels: typeof RMS_NORM,
    [x, ...parameters]: readonly Tensor[],
    epsilon: number,
  ): Tensor {
    const y = tensors.make("float", x.shape);
    const D = x.shape.at(-1)!;
    const components = componentsOf(D);
    runner.run(kernels[components], {
      inputs: [x, ...parameters],
      outputs: [y],
      sizes: { rows: sizeOf(x.shape) / D, width: D / components },
      constants: { EPSILON: epsilon },
    });
    return y;
  }

  function rope(x: Tensor, positions: Indices, frequencies: Tensor): Tensor {
    const y = tensors.make("float", x.shape);
    runner.run(ROPE, {
      inputs: [x, positions, frequencies],
      outputs: [y],
      sizes: {
        rows: sizeOf(positions.shape),
        width: x.shape.at(-1)!,
        half: frequencies.shape[0],
      },
      constants: {},
    });
    return y;
  }

  return {
    layerNorm: (x, weight, bias, epsilon) =>
      norm(LAYER_NORM, [x, weight, bias], epsilon),
    rmsNorm: (x, weight, epsilon) => norm(RMS_NORM, [x, weight], epsilon),
    rope,
  };
}

/**
 * LLaVA's projector: two linear layers with a GELU between them, from the
 * width of the vision tower to that of the decoder (transformers'
 * LlavaMultiModalProjector).
 *
 * This module is browser compatible.
 */

import type { Activation, Backend, Tensor, Weight } from "./backend.ts";
import type { ModelConfig } from "./config.ts";
import type { WeightLoader } from "./weights.ts";

/** A projector on a backend, from width C to width D. */
export interface Projector {
  /** Between the two layers. */
  readonly activation: Activation;
  /** Weight [D, C]. */
  readonly weight1: Weight;
  /** Shape [D]. */
  readonly bias1: Tensor;
  /** Shape [D, D]. */
  readonly weight2: Weight;
  /** Shape [D]. */
  readonly bias2: Tensor;
}

/** Loads the projector of a LLaVA checkpoint. */
export async function loadProjector(
  loader: WeightLoader,
  { vision: { width: C }, decoder: { width: D }, projectorActivation }:
    ModelConfig,
): Promise<Projector> {
  return {
    activation: projectorActivation,
    weight1: await loader.loadWeight("projector", "linear_1.weight", [D, C]),
    bias1: await loader.load("projector", "linear_1.bias", [D]),
    weight2: await loader.loadWeight("projector", "linear_2.weight", [D, D]),
    bias2: await loader.load("projector", "linear_2.bias", [D]),
  };
}

/** Features [B, N, C] → vision tokens [B, N, D]. */
export function project(
  backend: Backend,
  { activation, weight1, bias1, weight2, bias2 }: Projector,
  features: Tensor,
): Tensor {
  const hidden = backend.linear(features, weight1, { bias: bias1, activation });
  return backend.linear(hidden, weight2, { bias: bias2 });
}

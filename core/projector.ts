/**
 * The projector: from features of the vision tower to vision tokens of the
 * decoder's width. It is two linear layers with a GELU between them
 * (transformers' LlavaMultiModalProjector). InternVL first joins the features of
 * neighbouring patches and normalises them (InternVLMultiModalProjector).
 *
 * This module is browser compatible.
 */

import type { Backend, Tensor } from "./backend.ts";
import type { ModelConfig, ProjectorConfig } from "./config.ts";
import { applyLinear, applyNorm, type Linear, type Norm } from "./layers.ts";
import type { WeightLoader } from "./checkpoints/weights.ts";

/** torch's default, which no checkpoint changes. */
const NORM_EPSILON = 1e-5;

/** A projector on a backend, from width C to width D. */
export interface Projector {
  /** Its configuration. */
  readonly config: ProjectorConfig;
  /** A norm over m²·C values, or null. */
  readonly norm: Norm | null;
  /** Weight [D, m²·C]. */
  readonly linear1: Linear;
  /** Weight [D, D]. */
  readonly linear2: Linear;
}

/** Loads the projector of a checkpoint. */
export async function loadProjector(
  loader: WeightLoader,
  { vision, decoder: { width: D }, projector: config }: ModelConfig,
): Promise<Projector> {
  const C = config.merge ** 2 * vision.width;
  return {
    config,
    norm: config.norm
      ? await loader.norm("projector", "norm", C, "layer")
      : null,
    linear1: await loader.linear("projector", "linear1", [D, C]),
    linear2: await loader.linear("projector", "linear2", [D, D]),
  };
}

/** Features [B, P, C] → vision tokens [B, P / m², D]. */
export function project(
  backend: Backend,
  { config: { merge, activation }, norm, linear1, linear2 }: Projector,
  features: Tensor,
): Tensor {
  const merged = merge === 1
    ? features
    : mergePatches(backend, features, merge);
  const normed = norm ? applyNorm(backend, merged, norm, NORM_EPSILON) : merged;
  const hidden = applyLinear(backend, normed, linear1, { activation });
  return applyLinear(backend, hidden, linear2);
}

/**
 * Concatenates the features of m × m neighbouring patches, row by row (InternVL's
 * pixel shuffle, version 2).
 *
 * @param features of a square of patches, row by row, shape [B, P, C]
 * @returns shape [B, P / m², m²·C]
 */
export function mergePatches(
  backend: Backend,
  features: Tensor,
  m: number,
): Tensor {
  const [B, P, C] = features.shape;
  const side = Math.sqrt(P);
  const blocks = side / m;
  const order = Int32Array.from({ length: B * P }, (_, i) => {
    const inBlock = i % m ** 2;
    const block = Math.floor(i % P / m ** 2);
    const y = Math.floor(block / blocks) * m + Math.floor(inBlock / m);
    const x = block % blocks * m + inBlock % m;
    return y * side + x;
  });
  const sorted = backend.gatherRows(features, backend.upload(order, [B, P]), {
    start: 0,
    length: P,
  });
  return backend.reshape(sorted, [B, P / m ** 2, m ** 2 * C]);
}

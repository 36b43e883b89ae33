/**
 * Runs samples through the decoder one by one, to measure inside it.
 *
 * This module is browser compatible.
 */

import {
  type DecoderState,
  embedPrompts,
  embedTiles,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type { SampleSet } from "./batches.ts";
import { eventLoopTurn } from "./evaluator.ts";

/** The steps for each sample. */
export interface SampleLoop {
  /** Computes tensors from the sample at the input of layer 0. */
  readonly compute: (state: DecoderState) => Tensor[];
  /** Receives the values of these tensors. */
  readonly use: (values: Float32Array[]) => void;
  /** When aborted, the loop rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each sample. */
  readonly onProgress?:
    | ((done: number, total: number) => void)
    | undefined;
}

/** Runs all samples, and frees the tensors of each. */
export async function forEachSample(
  model: VisionLanguageModel,
  { images, samples }: SampleSet,
  { compute, use, signal, onProgress }: SampleLoop,
): Promise<void> {
  const { backend } = model;
  for (const [i, { image, prompt }] of samples.entries()) {
    signal?.throwIfAborted();
    const tensors = backend.scope(() => {
      const visionTokens = embedTiles(model, [images[image]]);
      return compute(embedPrompts(model, visionTokens, [prompt]));
    });
    use(await Promise.all(tensors.map((tensor) => backend.read(tensor))));
    backend.free(tensors);
    onProgress?.(i + 1, samples.length);
    await eventLoopTurn();
  }
}

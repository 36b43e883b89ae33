/**
 * Statistics of a calibration set, for methods that need no search (docs/method.md,
 * "Other methods"): the attention that vision tokens receive, for FitPrune; and how
 * the next token's distribution changes without vision tokens, for VTW.
 *
 * This module is browser compatible.
 */

import {
  attentionReceived,
  fromKeepCounts,
  fullSchedule,
  nextTokenLogits,
  predictNextToken,
  runDecoder,
  type Tensor,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { type SampleSet, visionTokensOf } from "./batches.ts";
import { klDivergence } from "./metrics.ts";
import { forEachSample } from "./samples.ts";

/** Options of the statistics. */
export interface StatisticsOptions {
  /** When aborted, the function rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each sample. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The attention that vision tokens receive in the unreduced model, by rank. Shape
 * [L][N] each, largest first: entry n is the share of a query's attention for the
 * token of rank n, mean over heads, queries and samples.
 */
export interface AttentionShares {
  /** From the instruction tokens. */
  readonly cross: readonly Float64Array[];
  /** From the vision tokens themselves. */
  readonly self: readonly Float64Array[];
}

/**
 * Measures the attention that vision tokens receive. Tokens are ranked separately
 * in every sample and layer, and for both kinds of attention. N is that of the
 * image with most tiles; if an image has n < N tokens, each stands for N / n ranks
 * (our decision).
 */
export async function attentionShares(
  model: VisionLanguageModel,
  set: SampleSet,
  { signal, onProgress }: StatisticsOptions = {},
): Promise<AttentionShares> {
  const { backend, decoder, config } = model;
  const L = decoder.layers.length;
  const N = visionTokensOf(set, config);
  const zeros = (): Float64Array[] =>
    Array.from({ length: L }, () => new Float64Array(N));
  const shares = { cross: zeros(), self: zeros() };
  // Instruction and vision tokens of the current sample.
  let T = 0;
  let n = 0;

  function addRanked(sums: Float64Array, mass: Float32Array, queries: number) {
    const ranked = mass.toSorted().reverse();
    const part = n / N;
    for (let rank = 0; rank < N; rank++) {
      const value = part * ranked[Math.floor(rank * n / N)];
      sums[rank] += value / queries / set.samples.length;
    }
  }
  await forEachSample(model, set, {
    compute: (state) => {
      n = state.vision.length;
      T = state.hidden.shape[1] - state.vision.start - n;
      const schedule = fullSchedule(L, n);
      return Array.from({ length: L }, (_, layer): Tensor[] => {
        const { vision } = state;
        const entering = state;
        const self = backend.scope(() =>
          attentionReceived(backend, decoder, layer, entering, vision)
        );
        const span = { from: layer, to: layer + 1 };
        state = runDecoder(model, state, schedule, span);
        return [state.scores!, self];
      }).flat();
    },
    use: (masses) => {
      for (let layer = 0; layer < L; layer++) {
        addRanked(shares.cross[layer], masses[2 * layer], T);
        addRanked(shares.self[layer], masses[2 * layer + 1], n);
      }
    },
    signal,
    onProgress,
  });
  return shares;
}

/**
 * Measures how the next token depends on vision tokens in deep layers. Entry l is
 * KL(full ‖ withdrawn) of the next token's distributions in nats, mean over the
 * samples: `full` keeps all vision tokens, `withdrawn` none from layer l on. Shape
 * [L]; entry 0 is the model without the image.
 */
export async function withdrawalDivergence(
  model: VisionLanguageModel,
  set: SampleSet,
  { signal, onProgress }: StatisticsOptions = {},
): Promise<number[]> {
  const L = model.decoder.layers.length;
  // All vision tokens go at once, so the ranking does not matter; this one is free.
  const ranking = "uniform";
  const divergence: number[] = Array(L).fill(0);
  await forEachSample(model, set, {
    compute: (state) => {
      const N = state.vision.length;
      const all = fullSchedule(L, N);
      const withdrawn = Array.from({ length: L }, (_, layer): Tensor => {
        const keep = all.keep.map((count, i) => i < layer ? count : 0);
        const options = { from: layer, ranking } as const;
        const schedule = fromKeepCounts(keep, N);
        const logits = predictNextToken(model, state, schedule, options);
        state = runDecoder(model, state, all, { ...options, to: layer + 1 });
        return logits;
      });
      return [nextTokenLogits(model, state), ...withdrawn];
    },
    use: ([full, ...withdrawn]) => {
      for (const [layer, logits] of withdrawn.entries()) {
        divergence[layer] += klDivergence(full, logits) / set.samples.length;
      }
    },
    signal,
    onProgress,
  });
  return divergence;
}

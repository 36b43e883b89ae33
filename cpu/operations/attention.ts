/**
 * Attention and its scores on the CPU backend, sample by sample.
 *
 * This module is browser compatible.
 */

import type {
  AttentionSpec,
  Backend,
  ScoreSpec,
  Tensor,
} from "../../core/backend.ts";
import type { Device } from "../device.ts";
import { addressOf } from "../tensors.ts";

/** The operations of this file. */
export function attentionOperations(
  { arena, kernels, pool }: Device,
): Pick<Backend, "attention" | "attentionScores"> {
  function attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    { headWidth: E, causal }: AttentionSpec,
  ): Tensor {
    const [B, Sq, qWidth] = q.shape;
    const [, Sk, kWidth] = k.shape;
    const heads = [qWidth / E, kWidth / E, E] as const;
    const out = pool.make("float", q.shape);
    const scratchBytes = Sq === 1
      ? kernels.attentionRowScratch(Sk, ...heads)
      : kernels.attentionScratch(Sk, E);
    const scratch = arena.allocate(scratchBytes);
    for (let b = 0; b < B; b++) {
      const qOffset = 4 * b * Sq * qWidth;
      const kOffset = 4 * b * Sk * kWidth;
      const addresses = [
        out.address + qOffset,
        addressOf(q) + qOffset,
        addressOf(k) + kOffset,
        addressOf(v) + kOffset,
        causal ? addressOf(causal.queries) + 4 * b * Sq : 0,
        causal ? addressOf(causal.keys) + 4 * b * Sk : 0,
        scratch,
      ];
      if (Sq === 1) kernels.attentionRow(...addresses, Sk, ...heads);
      else kernels.attention(...addresses, Sq, Sk, ...heads);
    }
    arena.free(scratch, scratchBytes);
    return out;
  }

  function attentionScores(
    q: Tensor,
    k: Tensor,
    spec: ScoreSpec,
  ): Tensor {
    const { headWidth: E, causal, queryRows, keyColumns, queryWeights } = spec;
    const [B, Sq, qWidth] = q.shape;
    const [, Sk, kWidth] = k.shape;
    const N = keyColumns.length;
    const out = pool.make("float", [B, N]);
    const scratchBytes = kernels.attentionScratch(Sk, E);
    const scratch = arena.allocate(scratchBytes);
    arena.floats.fill(0, out.address / 4, out.address / 4 + B * N);
    for (let b = 0; b < B; b++) {
      kernels.attentionScores(
        out.address + 4 * b * N,
        addressOf(q) + 4 * b * Sq * qWidth,
        addressOf(k) + 4 * b * Sk * kWidth,
        causal ? addressOf(causal.queries) + 4 * b * Sq : 0,
        causal ? addressOf(causal.keys) + 4 * b * Sk : 0,
        scratch,
        queryWeights ? addressOf(queryWeights) + 4 * b * queryRows.length : 0,
        queryRows.start,
        queryRows.start + queryRows.length,
        keyColumns.start,
        N,
        Sk,
        qWidth / E,
        kWidth / E,
        E,
      );
    }
    arena.free(scratch, scratchBytes);
    return out;
  }

  return { attention, attentionScores };
}

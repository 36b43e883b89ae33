/**
 * Operations of the GPU backend: attention and its scores.
 *
 * This module is browser compatible.
 */

import type {
  AttentionSpec,
  Backend,
  ScoreSpec,
  Span,
  Tensor,
} from "../../core/backend.ts";
import { sizeOf } from "../../core/sizes.ts";
import type { Context } from "../context.ts";
import { ATTENTION } from "../kernels/attention.ts";
import {
  ATTENTION_SHARES,
  ATTENTION_TOTALS,
  MEAN_OF_HEADS,
} from "../kernels/attention_scores.ts";
import type {
  AttentionConstant,
  AttentionSize,
} from "../kernels/attention_tile.ts";
import { RESIZE_ROWS } from "../kernels/rows.ts";
import { wholeVectors } from "../kernels/stored_weights.ts";

/** The operations of this file in a context. */
export function attentionOperations(
  { tensors, runner, software }: Context,
): Pick<Backend, "attention" | "attentionScores"> {
  function constantsOf(
    { headWidth }: AttentionSpec,
  ): Record<AttentionConstant, number> {
    return {
      WIDTH: Math.ceil(headWidth / 4),
      SCALE: 1 / Math.sqrt(headWidth),
      // Two quads exceed the registers of a thread on some GPUs, as a compiler
      // for them reports. No GPU was available for a measurement.
      QUADS: software ? 2 : 1,
    };
  }

  /** Cuts the heads of x [B, S, heads · E], or pads them with zeros. */
  function resizeHeads(x: Tensor, E: number, newE: number): Tensor {
    const [B, S, width] = x.shape;
    const y = tensors.make("float", [B, S, width / E * newE]);
    runner.run(RESIZE_ROWS, {
      inputs: [x],
      outputs: [y],
      sizes: { rows: sizeOf(x.shape) / E, width: E, newWidth: newE },
      constants: {},
    });
    return y;
  }

  /**
   * Runs `body` with heads padded to a multiple of four, which the kernels
   * require. The zeros change no product.
   */
  function withPaddedHeads(
    inputs: readonly Tensor[],
    E: number,
    body: (inputs: readonly Tensor[], paddedE: number) => Tensor,
  ): Tensor {
    const paddedE = wholeVectors(E);
    if (paddedE === E) return body(inputs, E);
    return tensors.scope(() =>
      body(inputs.map((x) => resizeHeads(x, E, paddedE)), paddedE)
    );
  }

  function attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spec: AttentionSpec,
  ): Tensor {
    const E = spec.headWidth;
    return withPaddedHeads([q, k, v], E, ([q, k, v], paddedE) => {
      const out = tensors.make("float", q.shape);
      const rows = { start: 0, length: q.shape[1] };
      runner.run(ATTENTION, {
        inputs: [q, k, spec.causal?.queries, spec.causal?.keys, v],
        outputs: [out],
        sizes: {
          ...sizesOf(q, k, paddedE, rows, { start: 0, length: k.shape[1] }),
          causal: spec.causal ? 1 : 0,
          weighted: 0,
        },
        constants: constantsOf(spec),
      });
      return paddedE === E ? out : resizeHeads(out, paddedE, E);
    });
  }

  function attentionScores(q: Tensor, k: Tensor, spec: ScoreSpec): Tensor {
    const { headWidth: E, causal, queryRows, keyColumns, queryWeights } = spec;
    const B = q.shape[0];
    const H = q.shape[2] / E;
    const N = keyColumns.length;
    return withPaddedHeads([q, k], E, ([q, k], paddedE) => {
      const inputs = [q, k, causal?.queries, causal?.keys];
      const sizes = {
        ...sizesOf(q, k, paddedE, queryRows, keyColumns),
        causal: causal ? 1 : 0,
        weighted: queryWeights ? 1 : 0,
      };
      const constants = constantsOf(spec);
      const totals = tensors.make("float", [B, H, queryRows.length, 2]);
      runner.run(ATTENTION_TOTALS, {
        inputs: [...inputs, queryWeights],
        outputs: [totals],
        sizes,
        constants,
      });
      const shares = tensors.make("float", [B, H, N]);
      runner.run(ATTENTION_SHARES, {
        inputs: [...inputs, totals],
        outputs: [shares],
        sizes,
        constants,
      });
      const scores = tensors.make("float", [B, N]);
      runner.run(MEAN_OF_HEADS, {
        inputs: [shares],
        outputs: [scores],
        sizes: { samples: B, heads: H, columns: N },
        constants: {},
      });
      for (const x of [totals, shares]) tensors.free(x);
      return scores;
    });
  }

  return { attention, attentionScores };
}

/** The sizes of a kernel for heads of width E, query rows and keys. */
function sizesOf(
  q: Tensor,
  k: Tensor,
  E: number,
  rows: Span,
  columns: Span,
): Record<Exclude<AttentionSize, "causal" | "weighted">, number> {
  return {
    samples: q.shape[0],
    queries: q.shape[1],
    keys: k.shape[1],
    heads: q.shape[2] / E,
    keyHeads: k.shape[2] / E,
    firstRow: rows.start,
    rows: rows.length,
    firstColumn: columns.start,
    columns: columns.length,
  };
}

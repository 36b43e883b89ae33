/**
 * Attention and its scores on the GPU.
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
import { RESIZE_ROWS } from "../kernels/resize_rows.ts";

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
      // Two take more registers than a thread has on some GPUs (as a compiler
      // for them says; no GPU was at hand).
      QUADS: software ? 2 : 1,
    };
  }

  /** x [B, S, heads · E] with heads of another width: cut, or padded with 0. */
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
   * Runs `body` with a head width that is a multiple of four, as the kernels
   * need it: with q, k and v padded by zeros, which change no product.
   */
  function withEvenHeads(
    inputs: readonly Tensor[],
    E: number,
    body: (inputs: readonly Tensor[], evenE: number) => Tensor,
  ): Tensor {
    const evenE = 4 * Math.ceil(E / 4);
    if (evenE === E) return body(inputs, E);
    return tensors.scope(() =>
      body(inputs.map((x) => resizeHeads(x, E, evenE)), evenE)
    );
  }

  function attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spec: AttentionSpec,
  ): Tensor {
    const E = spec.headWidth;
    return withEvenHeads([q, k, v], E, ([q, k, v], evenE) => {
      const out = tensors.make("float", q.shape);
      const rows = { start: 0, length: q.shape[1] };
      runner.run(ATTENTION, {
        inputs: [q, k, spec.causal?.queries, spec.causal?.keys, v],
        outputs: [out],
        sizes: {
          ...sizesOf(q, k, evenE, rows, { start: 0, length: k.shape[1] }),
          ...{ causal: spec.causal ? 1 : 0, weighted: 0 },
        },
        constants: constantsOf(spec),
      });
      return evenE === E ? out : resizeHeads(out, evenE, E);
    });
  }

  function attentionScores(q: Tensor, k: Tensor, spec: ScoreSpec): Tensor {
    const { headWidth: E, causal, queryRows, keyColumns, queryWeights } = spec;
    const B = q.shape[0];
    const H = q.shape[2] / E;
    const N = keyColumns.length;
    return withEvenHeads([q, k], E, ([q, k], evenE) => {
      const inputs = [q, k, causal?.queries, causal?.keys];
      const sizes = {
        ...sizesOf(q, k, evenE, queryRows, keyColumns),
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

/** Of heads that are E wide, asked for some rows and columns. */
function sizesOf(
  q: Tensor,
  k: Tensor,
  E: number,
  rows: Span,
  columns: Span,
): Record<
  Exclude<AttentionSize, "causal" | "weighted">,
  number
> {
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

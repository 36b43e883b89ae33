/** Attention and its scores on some backend against the reference. */

import fc from "fast-check";
import type { AttentionSpec, Backend, Tensor } from "../../core/mod.ts";
import { assertSame, type Inputs } from "../_parity.ts";
import { check, size } from "./shapes.ts";

/** Sizes of attention. */
export interface AttentionSizes {
  readonly B: number;
  readonly Sq: number;
  readonly Sk: number;
  /** Key heads. */
  readonly K: number;
  /** Query heads for each key head. */
  readonly group: number;
  readonly E: number;
  /** At 2, scores reach 20: one weight is nearly all of its row. */
  readonly scale: number;
  /** Queries and keys have their own position ids, or none. */
  readonly causal: boolean;
}

/** Which sizes to test, and how many. */
export interface AttentionTests {
  readonly runs: number;
  /** Widths of a head. */
  readonly widths: fc.Arbitrary<number>;
}

/** Random sizes, and a seed for the inputs. */
function randomSizes(
  widths: fc.Arbitrary<number>,
): fc.Arbitrary<AttentionSizes & { readonly seed: number }> {
  return fc.record({
    seed: fc.nat(),
    B: fc.integer({ min: 1, max: 2 }),
    Sq: size(70),
    Sk: size(150),
    K: fc.constantFrom(1, 3),
    group: fc.integer({ min: 1, max: 3 }),
    E: widths,
    scale: fc.constantFrom(0.1, 1, 2),
    causal: fc.boolean(),
  });
}

/** Random inputs; every query sees a key, for both kinds of positions start at 0. */
export function attentionInputs(
  inputs: Inputs,
  { B, Sq, Sk, K, group, E, scale, causal }: AttentionSizes,
): { q: Tensor; k: Tensor; v: Tensor; spec: AttentionSpec } {
  const q = inputs.floats([B, Sq, K * group * E], scale);
  const k = inputs.floats([B, Sk, K * E], scale);
  const v = inputs.floats([B, Sk, K * E]);
  const queries = inputs.positions(B, Sq, 5);
  const keys = inputs.positions(B, Sk, 3);
  const spec = { headWidth: E, ...(causal && { causal: { queries, keys } }) };
  return { q, k, v, spec };
}

/** Compares `attention` of random inputs. */
function assertSameAttention(
  backend: Backend,
  seed: number,
  sizes: AttentionSizes,
): Promise<void> {
  return assertSame(backend, seed, (inputs) => {
    const { q, k, v, spec } = attentionInputs(inputs, sizes);
    return inputs.backend.attention(q, k, v, spec);
  });
}

/** Tests `attention` and `attentionScores`. */
export function testAttention(
  backend: Backend,
  { runs, widths }: AttentionTests,
): void {
  Deno.test(`attention() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      randomSizes(widths),
      ({ seed, ...sizes }) => assertSameAttention(backend, seed, sizes),
    ));

  Deno.test(`attention() of one query agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      randomSizes(widths),
      ({ seed, ...sizes }) =>
        assertSameAttention(backend, seed, { ...sizes, Sq: 1 }),
    ));

  Deno.test(`attention() has heads as wide, and as many keys, as usual (${backend.name})`, async () => {
    for (const E of [64, 80, 128]) {
      for (const [Sq, Sk] of [[40, 50], [7, 520], [1, 520]]) {
        await assertSameAttention(backend, E, {
          B: 1,
          Sq,
          Sk,
          K: 1,
          group: 2,
          E,
          scale: 1,
          causal: true,
        });
      }
    }
  });

  Deno.test(`attention() sees keys in any order of positions (${backend.name})`, () =>
    check(
      20,
      fc.record({ seed: fc.nat(), Sq: size(40), E: widths }),
      ({ seed, Sq, E }) =>
        assertSame(backend, seed, (inputs) => {
          const q = inputs.floats([2, Sq, 2 * E]);
          const [k, v] = [1, 2].map(() => inputs.floats([2, 90, 2 * E]));
          const queries = inputs.integers([2, Sq], 50);
          // Every query sees at least the keys at position 0.
          const ids = Array.from({ length: 180 }, (_, i) => i * 37 % 90);
          const keys = inputs.indices([2, 90], ids);
          return inputs.backend.attention(q, k, v, {
            headWidth: E,
            causal: { queries, keys },
          });
        }),
    ));

  Deno.test(`attention() sees keys at negative positions (${backend.name})`, async () => {
    for (const queries of [[-30, -7, -2], [-7]]) {
      await assertSame(backend, 1, (inputs) => {
        const Sq = queries.length;
        const [q, k, v] = [Sq, 40, 40].map((S) => inputs.floats([1, S, 32]));
        const ids = Array.from({ length: 40 }, (_, i) => i - 40);
        return inputs.backend.attention(q, k, v, {
          headWidth: 32,
          causal: {
            queries: inputs.indices([1, Sq], queries),
            keys: inputs.indices([1, 40], ids),
          },
        });
      });
    }
  });

  Deno.test(`attention() stays finite when all scores are far below zero (${backend.name})`, async () => {
    for (const Sq of [1, 7]) {
      await assertSame(backend, 1, (inputs) => {
        const q = inputs.tensor([1, Sq, 32], Array(Sq * 32).fill(100));
        const k = inputs.tensor([1, 70, 32], Array(70 * 32).fill(-100));
        const v = inputs.floats([1, 70, 32]);
        return inputs.backend.attention(q, k, v, { headWidth: 32 });
      });
    }
  });

  Deno.test(`attentionScores() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      fc.tuple(
        randomSizes(widths),
        fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
        fc.boolean(),
      ),
      ([{ seed, ...sizes }, [a, b, c, d], weighted]) =>
        assertSame(backend, seed, (inputs) => {
          const { q, k, spec } = attentionInputs(inputs, sizes);
          const firstRow = a % sizes.Sq;
          const rows = 1 + b % (sizes.Sq - firstRow);
          const firstColumn = c % sizes.Sk;
          return inputs.backend.attentionScores(q, k, {
            ...spec,
            ...(weighted && { queryWeights: inputs.weights([sizes.B, rows]) }),
            queryRows: { start: firstRow, length: rows },
            keyColumns: {
              start: firstColumn,
              length: d % (sizes.Sk - firstColumn + 1),
            },
          });
        }),
    ));
}

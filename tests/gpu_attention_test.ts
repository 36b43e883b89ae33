// Attention and its scores on the GPU backend, against the reference.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { AttentionSpec, Tensor } from "../core/mod.ts";
import { assertClose } from "./_compare.ts";
import { assertSame, Inputs } from "./_parity.ts";
import { gpu } from "./_gpu.ts";

/** Sizes of attention; queries and keys have their own position ids, or none. */
const SIZES = fc.record({
  seed: fc.nat(),
  B: fc.integer({ min: 1, max: 2 }),
  Sq: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 70 })),
  Sk: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 100 })),
  K: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 3 }),
  // Each needs pipelines of its own. 6 is padded; 132 takes several chunks of
  // keys and more than one slice of values.
  E: fc.constantFrom(6, 32, 132),
  // At 2, scores reach 20: one weight is nearly all of its row.
  scale: fc.constantFrom(0.1, 1, 2),
  causal: fc.boolean(),
});

/** Each run computes whole tiles, however small its sizes are. */
const RUNS = { numRuns: 60 };

/** What `SIZES` gives. */
interface Sizes {
  readonly B: number;
  readonly Sq: number;
  readonly Sk: number;
  readonly K: number;
  readonly group: number;
  readonly E: number;
  readonly scale: number;
  readonly causal: boolean;
}

Deno.test("attention() on a GPU agrees with the reference", () =>
  fc.assert(
    fc.asyncProperty(SIZES, (sizes) =>
      assertSame(gpu, sizes.seed, (inputs) => {
        const { q, k, v, spec } = attentionInputs(inputs, sizes);
        return inputs.backend.attention(q, k, v, spec);
      })),
    RUNS,
  ));

Deno.test("attention() on a GPU has heads as wide as usual", async () => {
  for (const E of [64, 80, 128]) {
    await assertSame(gpu, E, (inputs) => {
      const { q, k, v, spec } = attentionInputs(inputs, {
        ...{ B: 1, Sq: 40, Sk: 50, K: 1, group: 2, E },
        ...{ scale: 1, causal: true },
      });
      return inputs.backend.attention(q, k, v, spec);
    });
  }
});

Deno.test("attention() on a GPU sees keys in any order of positions", async () => {
  for (const seed of [1, 2, 3]) {
    await assertSame(gpu, seed, (inputs) => {
      const { backend } = inputs;
      const q = inputs.floats([2, 40, 64]);
      const [k, v] = [1, 2].map(() => inputs.floats([2, 90, 64]));
      const queries = inputs.integers([2, 40], 50);
      // Every query sees at least the keys at position 0.
      const ids = Array.from({ length: 180 }, (_, i) => i * 37 % 90);
      const keys = inputs.indices([2, 90], ids);
      return backend.attention(q, k, v, {
        headWidth: 32,
        causal: { queries, keys },
      });
    });
  }
});

Deno.test("attention() on a GPU sees keys at negative positions", () =>
  assertSame(gpu, 1, (inputs) => {
    const [q, k, v] = [3, 40, 40].map((S) => inputs.floats([1, S, 32]));
    const ids = Array.from({ length: 40 }, (_, i) => i - 40);
    return inputs.backend.attention(q, k, v, {
      headWidth: 32,
      causal: {
        queries: inputs.indices([1, 3], [-30, -7, -2]),
        keys: inputs.indices([1, 40], ids),
      },
    });
  }));

Deno.test("attention() on a GPU stays finite when all scores are far below zero", () =>
  assertSame(gpu, 1, (inputs) => {
    const q = inputs.tensor([1, 7, 32], Array(7 * 32).fill(100));
    const k = inputs.tensor([1, 70, 32], Array(70 * 32).fill(-100));
    const v = inputs.floats([1, 70, 32]);
    return inputs.backend.attention(q, k, v, { headWidth: 32 });
  }));

Deno.test("attention() on a GPU gives zeros to a query that sees no key", async () => {
  const x = new Inputs(gpu, 0);
  const q = x.tensor([1, 2, 32], Array(64).fill(0));
  const [k, v] = [1, 2].map(() => x.floats([1, 3, 32]));
  // The first query sees no key, the second one two of three.
  const spec = {
    headWidth: 32,
    causal: {
      queries: x.indices([1, 2], [0, 9]),
      keys: x.indices([1, 3], [1, 9, 10]),
    },
  };
  const out = await gpu.read(gpu.attention(q, k, v, spec));
  const values = await gpu.read(v);
  assertEquals(out.subarray(0, 32), new Float32Array(32));
  assertClose(
    out.subarray(32),
    Array.from({ length: 32 }, (_, e) => (values[e] + values[e + 32]) / 2),
    { absolute: 1e-6 },
  );
  const scores = gpu.attentionScores(q, k, {
    ...spec,
    queryRows: { start: 0, length: 2 },
    keyColumns: { start: 0, length: 3 },
  });
  assertClose(await gpu.read(scores), [0.5, 0.5, 0], { absolute: 1e-6 });
});

Deno.test("attentionScores() on a GPU agrees with the reference", () =>
  fc.assert(
    fc.asyncProperty(
      SIZES,
      fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
      fc.constantFrom("mean", "max"),
      fc.boolean(),
      (sizes, [a, b, c, d], heads, weighted) =>
        assertSame(gpu, sizes.seed, (inputs) => {
          const { q, k, spec } = attentionInputs(inputs, sizes);
          const firstRow = a % sizes.Sq;
          const rows = 1 + b % (sizes.Sq - firstRow);
          const firstColumn = c % sizes.Sk;
          return inputs.backend.attentionScores(q, k, {
            ...spec,
            heads,
            ...(weighted && { queryWeights: inputs.weights([sizes.B, rows]) }),
            queryRows: { start: firstRow, length: rows },
            keyColumns: {
              start: firstColumn,
              length: d % (sizes.Sk - firstColumn + 1),
            },
          });
        }),
    ),
    RUNS,
  ));

Deno.test("attentionScores() on a GPU gives the same bits every time", async () => {
  const { q, k, spec } = attentionInputs(new Inputs(gpu, 1), {
    ...{ B: 2, Sq: 70, Sk: 100, K: 2, group: 2, E: 32 },
    ...{ scale: 1, causal: true },
  });
  const scores = () =>
    gpu.read(gpu.attentionScores(q, k, {
      ...spec,
      queryRows: { start: 0, length: 70 },
      keyColumns: { start: 3, length: 90 },
    }));
  const first = await scores();
  for (let i = 0; i < 5; i++) assertEquals(await scores(), first);
});

/** Random inputs; every query sees a key, for both kinds of positions start at 0. */
function attentionInputs(
  inputs: Inputs,
  { B, Sq, Sk, K, group, E, scale, causal }: Sizes,
): { q: Tensor; k: Tensor; v: Tensor; spec: AttentionSpec } {
  const q = inputs.floats([B, Sq, K * group * E], scale);
  const k = inputs.floats([B, Sk, K * E], scale);
  const v = inputs.floats([B, Sk, K * E]);
  const queries = inputs.positions(B, Sq, 5);
  const keys = inputs.positions(B, Sk, 3);
  const spec = { headWidth: E, ...(causal && { causal: { queries, keys } }) };
  return { q, k, v, spec };
}

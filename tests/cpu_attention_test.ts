// Attention and its scores on the CPU backend, against the reference.

import fc from "fast-check";
import { assertClose } from "./_compare.ts";
import { CPU_BACKENDS, RUNS } from "./_cpu.ts";
import { assertSame, Inputs } from "./_parity.ts";

/** Sizes of attention; queries and keys have their own position ids, or none. */
const SIZES = fc.record({
  seed: fc.nat(),
  B: fc.integer({ min: 1, max: 2 }),
  Sq: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
  Sk: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 150 })),
  K: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 3 }),
  E: fc.oneof(fc.constantFrom(1, 32), fc.integer({ min: 1, max: 20 })),
  // At 2, scores reach 20: one weight is nearly all of its row.
  scale: fc.constantFrom(0.1, 1, 2),
  causal: fc.boolean(),
});

for (const backend of CPU_BACKENDS) {
  Deno.test(`attention() agrees with the reference (${backend.name})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        SIZES,
        ({ seed, B, Sq, Sk, K, group, E, scale, causal }) =>
          assertSame(backend, seed, (inputs) =>
            backendAttention(inputs, {
              ...{ B, Sq, Sk, K, group, E, scale, causal },
            })),
      ),
      { numRuns: RUNS },
    );
  });

  Deno.test(`attention() sees keys in any order of positions (${backend.name})`, async () => {
    for (const seed of [1, 2, 3]) {
      await assertSame(backend, seed, (inputs) => {
        const { backend } = inputs;
        const q = inputs.floats([2, 30, 8], 2);
        const k = inputs.floats([2, 90, 8], 2);
        const v = inputs.floats([2, 90, 8]);
        const queries = inputs.integers([2, 30], 50);
        // Every query sees at least the keys at position 0.
        const ids = Array.from({ length: 180 }, (_, i) => i * 37 % 90);
        const keys = inputs.indices([2, 90], ids);
        return backend.attention(q, k, v, {
          headWidth: 4,
          causal: { queries, keys },
        });
      });
    }
  });

  Deno.test(`attentionScores() agrees with the reference (${backend.name})`, async () => {
    const spans = fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat());
    await fc.assert(
      fc.asyncProperty(
        SIZES,
        spans,
        fc.constantFrom("mean", "max"),
        fc.boolean(),
        (
          { seed, B, Sq, Sk, K, group, E, scale, causal },
          [a, b, c, d],
          heads,
          weighted,
        ) =>
          assertSame(backend, seed, (inputs) => {
            const { q, k, spec } = attentionInputs(inputs, {
              ...{ B, Sq, Sk, K, group, E, scale, causal },
            });
            const firstRow = a % Sq;
            const rows = 1 + b % (Sq - firstRow);
            const firstColumn = c % Sk;
            return inputs.backend.attentionScores(q, k, {
              ...spec,
              heads,
              ...(weighted && { queryWeights: inputs.weights([B, rows]) }),
              queryRows: { start: firstRow, length: rows },
              keyColumns: {
                start: firstColumn,
                length: 1 + d % (Sk - firstColumn),
              },
            });
          }),
      ),
      { numRuns: RUNS },
    );
  });

  Deno.test(`attention() stays finite when all scores are far below zero (${backend.name})`, async () => {
    const x = new Inputs(backend, 0);
    const q = x.tensor([1, 7, 4], Array(28).fill(100));
    const k = x.tensor([1, 70, 4], Array(280).fill(-100));
    const v = x.floats([1, 70, 4]);
    const out = await backend.read(
      backend.attention(q, k, v, { headWidth: 4 }),
    );
    const values = await backend.read(v);
    const mean = [0, 1, 2, 3].map((e) =>
      values.filter((_, i) => i % 4 === e).reduce((a, b) => a + b) / 70
    );
    for (let row = 0; row < 7; row++) {
      assertClose(out.subarray(4 * row, 4 * row + 4), mean, {
        absolute: 1e-6,
      });
    }
  });
}

interface Options {
  readonly B: number;
  readonly Sq: number;
  readonly Sk: number;
  readonly K: number;
  readonly group: number;
  readonly E: number;
  readonly scale: number;
  readonly causal: boolean;
}

function attentionInputs(
  inputs: Inputs,
  { B, Sq, Sk, K, group, E, scale, causal }: Options,
) {
  const q = inputs.floats([B, Sq, K * group * E], scale);
  const k = inputs.floats([B, Sk, K * E], scale);
  const v = inputs.floats([B, Sk, K * E]);
  // Both start at 0, so that every query sees a key.
  const queries = inputs.positions(B, Sq, 5);
  const keys = inputs.positions(B, Sk, 3);
  const spec = { headWidth: E, ...(causal && { causal: { queries, keys } }) };
  return { q, k, v, spec };
}

function backendAttention(inputs: Inputs, options: Options) {
  const { q, k, v, spec } = attentionInputs(inputs, options);
  return inputs.backend.attention(q, k, v, spec);
}

// The operations of the CPU backend on random shapes against the reference:
// all but linear (cpu_linear_test.ts) and attention (cpu_attention_test.ts).

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CPU_BACKENDS, RUNS } from "./_cpu.ts";
import { assertSame, Inputs } from "./_parity.ts";

/** Sizes around and between multiples of four. */
const size = (max: number): fc.Arbitrary<number> =>
  fc.oneof(fc.constant(1), fc.integer({ min: 1, max }));

/** B, S, D and a seed. */
const SHAPE = fc.tuple(size(4), size(12), size(150), fc.nat());

for (const backend of CPU_BACKENDS) {
  const check = <T>(
    values: fc.Arbitrary<T>,
    property: (value: T) => Promise<void>,
  ): Promise<void> =>
    fc.assert(fc.asyncProperty(values, property), { numRuns: RUNS });

  Deno.test(`layerNorm() agrees with the reference (${backend.name})`, () =>
    check(
      SHAPE,
      ([B, S, D, seed]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.layerNorm(
            inputs.floats([B, S, D], 3),
            inputs.floats([D]),
            inputs.floats([D]),
            1e-5,
          )),
    ));

  Deno.test(`rmsNorm() agrees with the reference (${backend.name})`, () =>
    check(
      SHAPE,
      ([B, S, D, seed]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.rmsNorm(
            inputs.floats([B, S, D], 3),
            inputs.floats([D]),
            1e-6,
          )),
    ));

  Deno.test(`rope() agrees with the reference (${backend.name})`, () =>
    check(
      fc.tuple(size(3), size(40), size(4), size(20), size(1000), fc.nat()),
      ([B, S, heads, half, gap, seed]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.rope(
            inputs.floats([B, S, heads * 2 * half]),
            inputs.positions(B, S, gap),
            inputs.floats([half]),
          )),
    ));

  Deno.test(`topK() agrees with the reference, ties included (${backend.name})`, () =>
    check(
      fc.tuple(size(3), size(80), fc.nat(), fc.constantFrom(3, 1000), fc.nat()),
      ([B, N, k, values, seed]) =>
        assertSame(backend, seed, (inputs) => {
          // −0 and 0 are equal, and so are many others of few values.
          const scores = Array.from(
            { length: B * N },
            (_, i) => (i * 7919 + seed) % values / 7 * (i % 3 - 1),
          );
          const x = inputs.tensor([B, N], scores);
          return inputs.backend.topK(x, k % (N + 1));
        }),
    ));

  Deno.test(`gatherRows() agrees with the reference (${backend.name})`, () =>
    check(
      fc.tuple(
        fc.tuple(size(3), size(30), size(40)),
        fc.tuple(fc.nat(), fc.nat(), fc.nat()),
        fc.constantFrom("rows", "numbers", "integers"),
        fc.nat(),
      ),
      ([[B, S, D], [from, some, few], what, seed]) =>
        assertSame(backend, seed, (inputs) => {
          const start = from % S;
          const span = { start, length: some % (S - start + 1) };
          const k = few % (span.length + 1);
          const rows = inputs.rows(B, span.length, k);
          const { backend } = inputs;
          return what === "integers"
            ? backend.gatherRows(inputs.integers([B, S], 99), rows, span)
            : backend.gatherRows(
              inputs.floats(what === "rows" ? [B, S, D] : [B, S]),
              rows,
              span,
            );
        }, {}),
    ));

  Deno.test(`sliceRows() agrees with the reference (${backend.name})`, () =>
    check(
      fc.tuple(SHAPE, fc.nat(), fc.nat()),
      ([[B, S, D, seed], from, some]) =>
        assertSame(backend, seed, (inputs) => {
          const start = from % S;
          const length = 1 + some % (S - start);
          const x = inputs.floats([B, S, D]);
          return inputs.backend.sliceRows(x, { start, length });
        }, {}),
    ));

  Deno.test(`reshape() agrees with the reference (${backend.name})`, () =>
    check(
      SHAPE,
      ([B, S, D, seed]) =>
        assertSame(
          backend,
          seed,
          (inputs) =>
            inputs.backend.reshape(inputs.floats([B, S, D]), [S, D * B]),
          {},
        ),
    ));

  Deno.test(`concat() agrees with the reference (${backend.name})`, () =>
    check(
      fc.tuple(
        size(4),
        fc.array(size(6), { minLength: 1, maxLength: 4 }),
        size(40),
        fc.constantFrom(0 as const, 1 as const),
        fc.boolean(),
        fc.nat(),
      ),
      ([other, sizes, D, axis, integers, seed]) =>
        assertSame(backend, seed, (inputs) => {
          const { backend } = inputs;
          const shapes = sizes.map((size) =>
            axis === 0 ? [size, other] : [other, size]
          );
          return integers
            ? backend.concat(shapes.map((s) => inputs.integers(s, 9)), axis)
            : backend.concat(shapes.map((s) => inputs.floats([...s, D])), axis);
        }, {}),
    ));

  for (const operation of ["add", "multiply"] as const) {
    Deno.test(`${operation}() agrees with the reference (${backend.name})`, () =>
      check(
        fc.tuple(SHAPE, fc.constantFrom(0, 1, 2)),
        ([[B, S, D, seed], lacking]) =>
          assertSame(backend, seed, (inputs) =>
            inputs.backend[operation](
              inputs.floats([B, S, D]),
              inputs.floats([B, S, D].slice(lacking)),
            )),
      ));
  }

  Deno.test(`aboveMean() agrees with the reference (${backend.name})`, () =>
    check(
      SHAPE,
      ([B, S, D, seed]) =>
        assertSame(
          backend,
          seed,
          (inputs) =>
            inputs.backend.aboveMean(inputs.wholeFloats([B, S, D], 9)),
          {},
        ),
    ));

  Deno.test(`aboveMean() marks all values of a row that are the same, however they round (${backend.name})`, async () => {
    const x = new Inputs(backend, 0);
    for (const N of [1, 3, 7, 150]) {
      const row = x.tensor([1, N], Array(N).fill(0.1));
      const marks = await backend.read(backend.aboveMean(row));
      assertEquals([...marks], Array(N).fill(1));
    }
  });

  Deno.test(`embed() agrees with the reference (${backend.name})`, () =>
    check(
      fc.tuple(SHAPE, size(50)),
      ([[B, S, D, seed], V]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.embed(
            inputs.floats([V, D]),
            inputs.integers([B, S], V),
          ), {}),
    ));

  Deno.test(`norms keep their digits when rows are wide or far from zero (${backend.name})`, async () => {
    for (const D of [1024, 4097]) {
      await assertSame(backend, D, (inputs) =>
        inputs.backend.layerNorm(
          inputs.backend.add(
            inputs.floats([3, D]),
            inputs.tensor([D], Array(D).fill(10)),
          ),
          inputs.floats([D]),
          inputs.floats([D]),
          1e-5,
        ));
      await assertSame(backend, D, (inputs) =>
        inputs.backend.rmsNorm(
          inputs.floats([3, D], 100),
          inputs.floats([D]),
          1e-5,
        ));
    }
  });

  Deno.test(`topK() finds infinite and huge scores (${backend.name})`, async () => {
    const x = new Inputs(backend, 0);
    const scores = [-Infinity, 1e38, -1e38, Infinity, 1e-40, 0, -1e-40, 3e38];
    const best = async (k: number) => [
      ...await backend.read(backend.topK(x.tensor([1, 8], scores), k)),
    ];
    assertEquals(await best(1), [3]);
    assertEquals(await best(3), [1, 3, 7]);
    assertEquals(await best(5), [1, 3, 4, 5, 7]);
    assertEquals(await best(7), [1, 2, 3, 4, 5, 6, 7]);
  });

  Deno.test(`rope() turns at positions that are negative or in the millions (${backend.name})`, () =>
    assertSame(backend, 1, (inputs) =>
      inputs.backend.rope(
        inputs.floats([1, 4, 8]),
        inputs.indices([1, 4], [-5, 3_000_000, 0, 2]),
        inputs.tensor([2], [1, 0.01]),
      )));

  Deno.test(`upload() refuses data that do not fit the shape (${backend.name})`, () => {
    const message = "shape [2,2] needs 4 values: got 3";
    const data = new Float32Array(3);
    assertThrows(() => backend.upload(data, [2, 2]), TypeError, message);
    assertThrows(() => backend.uploadWeight(data, [2, 2]), TypeError, message);
    assertThrows(
      () => backend.upload(new Int32Array(3), [2, 2]),
      TypeError,
      message,
    );
  });
}

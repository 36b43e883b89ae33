/** topK() on some backend against the reference, exactly. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Backend } from "../../core/mod.ts";
import { assertSame, Inputs } from "../_parity.ts";
import { check, size } from "./shapes.ts";

/** Tests `topK` on so many random rows, long ones, and special scores. */
export function testTopK(backend: Backend, runs: number): void {
  Deno.test(`topK() agrees with the reference, ties included (${backend.name})`, () =>
    check(
      runs,
      fc.record({
        seed: fc.nat(),
        B: size(3),
        N: fc.oneof(size(80), fc.integer({ min: 200, max: 1200 })),
        k: fc.nat(),
        values: fc.constantFrom(3, 100, 100_000),
      }),
      ({ seed, B, N, k, values }) =>
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

  Deno.test(`topK() takes any k of 8192 columns (${backend.name})`, async () => {
    for (const k of [0, 1, 255, 4096, 8191, 8192]) {
      await assertSame(
        backend,
        k,
        (inputs) => inputs.backend.topK(inputs.floats([2, 8192]), k),
      );
    }
  });

  Deno.test(`topK() of equal scores keeps the first columns (${backend.name})`, async () => {
    const x = backend.upload(new Float32Array(700).fill(-2.5), [1, 700]);
    assertEquals(
      await backend.read(backend.topK(x, 300)),
      Int32Array.from({ length: 300 }, (_, n) => n),
    );
  });

  Deno.test(`topK() finds infinite, huge and tiny scores (${backend.name})`, async () => {
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
}

// topK() of the GPU backend against the reference, exactly.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { assertSame, Inputs } from "./_parity.ts";
import { gpu } from "./_gpu.ts";

Deno.test("topK() on a GPU agrees with the reference, ties included", () =>
  fc.assert(fc.asyncProperty(
    fc.record({
      seed: fc.nat(),
      B: fc.integer({ min: 1, max: 3 }),
      N: fc.oneof(
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 200, max: 1200 }),
      ),
      k: fc.nat(),
      values: fc.constantFrom(3, 100, 100_000),
    }),
    ({ seed, B, N, k, values }) =>
      assertSame(gpu, seed, (inputs) => {
        // −0 and 0 are equal, and so are many others of few values.
        const scores = Array.from(
          { length: B * N },
          (_, i) => (i * 7919 + seed) % values / 7 * (i % 3 - 1),
        );
        const x = inputs.tensor([B, N], scores);
        return inputs.backend.topK(x, k % (N + 1));
      }),
  )));

Deno.test("topK() on a GPU takes any k of 8192 columns", async () => {
  for (const k of [0, 1, 255, 4096, 8191, 8192]) {
    await assertSame(
      gpu,
      k,
      (inputs) => inputs.backend.topK(inputs.floats([2, 8192]), k),
    );
  }
});

Deno.test("topK() on a GPU of equal scores keeps the first columns", async () => {
  const x = gpu.upload(new Float32Array(700).fill(-2.5), [1, 700]);
  assertEquals(
    await gpu.read(gpu.topK(x, 300)),
    Int32Array.from({ length: 300 }, (_, n) => n),
  );
});

Deno.test("topK() on a GPU finds infinite, huge and tiny scores", async () => {
  const x = new Inputs(gpu, 0);
  const scores = [-Infinity, 1e38, -1e38, Infinity, 1e-40, 0, -1e-40, 3e38];
  const best = async (k: number) => [
    ...await gpu.read(gpu.topK(x.tensor([1, 8], scores), k)),
  ];
  assertEquals(await best(1), [3]);
  assertEquals(await best(3), [1, 3, 7]);
  assertEquals(await best(5), [1, 3, 4, 5, 7]);
  assertEquals(await best(7), [1, 2, 3, 4, 5, 6, 7]);
});

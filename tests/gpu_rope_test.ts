// Rotary position embedding of the GPU backend against the reference.

import fc from "fast-check";
import { assertSame } from "./_parity.ts";
import { gpu } from "./_gpu.ts";

Deno.test("rope() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    fc.record({
      seed: fc.nat(),
      B: fc.integer({ min: 1, max: 3 }),
      S: fc.integer({ min: 1, max: 30 }),
      heads: fc.integer({ min: 1, max: 4 }),
      half: fc.integer({ min: 1, max: 20 }),
      gap: fc.constantFrom(1, 10, 1000),
    }),
    ({ seed, B, S, heads, half, gap }) =>
      assertSame(gpu, seed, (inputs) =>
        inputs.backend.rope(
          inputs.floats([B, S, heads * 2 * half]),
          inputs.positions(B, S, gap),
          inputs.floats([half]),
        )),
  )));

Deno.test("rope() on a GPU turns by any angle: positions and frequencies of all sizes and signs", () =>
  fc.assert(fc.asyncProperty(
    // Of larger angles, the reference's 64 bits have too few digits.
    fc.array(fc.integer({ min: -(2 ** 28), max: 2 ** 28 }), {
      minLength: 1,
      maxLength: 20,
    }),
    fc.array(fc.float({ min: -8, max: 8, noNaN: true }), {
      minLength: 1,
      maxLength: 20,
    }),
    (positions, frequencies) =>
      assertSame(gpu, 1, (inputs) => {
        const S = positions.length;
        const half = frequencies.length;
        return inputs.backend.rope(
          inputs.floats([1, S, 2 * half]),
          inputs.indices([1, S], positions),
          inputs.tensor([half], frequencies),
        );
      }),
  )));

Deno.test("rope() on a GPU has the frequencies of a LLaMA decoder at far positions", () =>
  assertSame(gpu, 1, (inputs) => {
    const half = 64;
    const frequencies = Array.from(
      { length: half },
      (_, e) => 10_000 ** (-e / half),
    );
    return inputs.backend.rope(
      inputs.floats([1, 6, 2 * half]),
      inputs.indices([1, 6], [0, 1, 4095, 131_071, 3_000_000, -5]),
      inputs.tensor([half], frequencies),
    );
  }));

/** Rotary position embedding on some backend against the reference. */

import fc from "fast-check";
import type { Backend } from "../../core/mod.ts";
import { assertSame } from "../_parity.ts";
import { check, size } from "./shapes.ts";

/** Tests `rope` on so many random shapes, and at far positions. */
export function testRope(backend: Backend, runs: number): void {
  Deno.test(`rope() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      fc.tuple(size(3), size(40), size(4), size(20), size(1000), fc.nat()),
      ([B, S, heads, half, gap, seed]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.rope(
            inputs.floats([B, S, heads * 2 * half]),
            inputs.positions(B, S, gap),
            inputs.floats([half]),
          )),
    ));

  Deno.test(`rope() turns by any angle: positions and frequencies of all sizes and signs (${backend.name})`, () => {
    const some = { minLength: 1, maxLength: 20 };
    // Of larger angles, the reference's 64 bits have too few digits.
    const position = fc.integer({ min: -(2 ** 28), max: 2 ** 28 });
    const frequency = fc.float({ min: -8, max: 8, noNaN: true });
    return check(
      runs,
      fc.tuple(fc.array(position, some), fc.array(frequency, some)),
      ([positions, frequencies]) =>
        assertSame(backend, 1, (inputs) => {
          const S = positions.length;
          const half = frequencies.length;
          return inputs.backend.rope(
            inputs.floats([1, S, 2 * half]),
            inputs.indices([1, S], positions),
            inputs.tensor([half], frequencies),
          );
        }),
    );
  });

  Deno.test(`rope() has the frequencies of a LLaMA decoder at far positions (${backend.name})`, () =>
    assertSame(backend, 1, (inputs) => {
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
}

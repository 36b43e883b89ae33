// Attention and its scores on the CPU backend, against the reference.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { assertClose } from "../_compare.ts";
import { CPU_BACKENDS, RUNS } from "../_cpu.ts";
import { attentionInputs, testAttention } from "../_operations/attention.ts";
import { size } from "../_operations/shapes.ts";
import { Inputs } from "../_parity.ts";
import { F32_TOLERANCES } from "../_tolerance.ts";

for (const backend of CPU_BACKENDS) {
  testAttention(backend, {
    runs: RUNS,
    widths: fc.oneof(fc.constant(32), size(20)),
  });

  Deno.test(`attention() has the same bits in every batch (${backend.name})`, async () => {
    for (const Sq of [1, 7]) {
      const sizes = { B: 2, Sq, Sk: 50, K: 2, group: 2, E: 6 };
      const { q, k, v } = attentionInputs(new Inputs(backend, Sq), {
        ...sizes,
        scale: 1,
        causal: false,
      });
      const spec = { headWidth: sizes.E };
      const together = await backend.read(backend.attention(q, k, v, spec));
      for (const b of [0, 1]) {
        const alone = await Promise.all([q, k, v].map(async (x) => {
          const [, S, width] = x.shape;
          const values = await backend.read(x);
          const own = values.slice(b * S * width, (b + 1) * S * width);
          return backend.upload(own, [1, S, width]);
        }));
        const [qAlone, kAlone, vAlone] = alone;
        const out = backend.attention(qAlone, kAlone, vAlone, spec);
        const half = together.length / 2;
        assertEquals(
          await backend.read(out),
          together.slice(b * half, (b + 1) * half),
        );
      }
    }
  });

  Deno.test(`attention() of one query leaves alone what is behind its rows (${backend.name})`, async () => {
    const E = 3;
    /** Ones, in a block of memory that was full of NaN. */
    const ones = (rows: number) => {
      // The most values that take as many lines of 64 bytes, 28 being spare.
      const lines = Math.ceil((4 * rows * E + 28) / 64);
      const N = 16 * lines - 7;
      backend.free([backend.upload(new Float32Array(N).fill(NaN), [N])]);
      const values = new Float32Array(rows * E).fill(1);
      return backend.upload(values, [1, rows, E]);
    };
    const [q, k, v] = [1, 5, 5].map(ones);
    const out = backend.attention(q, k, v, { headWidth: E });
    assertClose(
      await backend.read(out),
      [1, 1, 1],
      F32_TOLERANCES.operation,
    );
  });
}

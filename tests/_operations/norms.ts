/** LayerNorm and RMSNorm on some backend against the reference. */

import type { Backend } from "../../core/mod.ts";
import { assertSame, type Inputs } from "../_parity.ts";
import { check, SHAPE } from "./shapes.ts";

/** Tests `layerNorm` and `rmsNorm` on so many random shapes, and wide rows. */
export function testNorms(backend: Backend, runs: number): void {
  Deno.test(`layerNorm() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
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
      runs,
      SHAPE,
      ([B, S, D, seed]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.rmsNorm(
            inputs.floats([B, S, D], 3),
            inputs.floats([D]),
            1e-6,
          )),
    ));

  Deno.test(`norms keep their digits when rows are wide or far from zero (${backend.name})`, async () => {
    /** Numbers from 9 to 11. */
    const far = (inputs: Inputs, D: number) =>
      inputs.backend.add(
        inputs.floats([3, D]),
        inputs.tensor([D], Array(D).fill(10)),
      );
    for (const D of [1024, 4097]) {
      await assertSame(backend, D, (inputs) =>
        inputs.backend.layerNorm(
          far(inputs, D),
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
}

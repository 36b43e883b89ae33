// The norms of the GPU backend on random shapes against the reference.

import fc from "fast-check";
import { assertSame, type Inputs } from "./_parity.ts";
import { gpu } from "./_gpu.ts";

/** B, S, D and a seed. */
const SHAPE = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 6 }),
  fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 40 }).map((n) => 4 * n),
  ),
  fc.nat(),
);

Deno.test("layerNorm() on a GPU agrees with the reference", () =>
  fc.assert(
    fc.asyncProperty(SHAPE, ([B, S, D, seed]) =>
      assertSame(gpu, seed, (inputs) =>
        inputs.backend.layerNorm(
          inputs.floats([B, S, D], 3),
          inputs.floats([D]),
          inputs.floats([D]),
          1e-5,
        ))),
  ));

Deno.test("rmsNorm() on a GPU agrees with the reference", () =>
  fc.assert(
    fc.asyncProperty(SHAPE, ([B, S, D, seed]) =>
      assertSame(gpu, seed, (inputs) =>
        inputs.backend.rmsNorm(
          inputs.floats([B, S, D], 3),
          inputs.floats([D]),
          1e-6,
        ))),
  ));

Deno.test("norms on a GPU keep their digits when rows are wide or far from zero", async () => {
  /** Numbers from 9 to 11. */
  const far = (inputs: Inputs, D: number) =>
    inputs.backend.add(
      inputs.floats([3, D]),
      inputs.tensor([D], Array(D).fill(10)),
    );
  for (const D of [1024, 4097]) {
    await assertSame(gpu, D, (inputs) =>
      inputs.backend.layerNorm(
        far(inputs, D),
        inputs.floats([D]),
        inputs.floats([D]),
        1e-5,
      ));
    await assertSame(gpu, D, (inputs) =>
      inputs.backend.rmsNorm(
        inputs.floats([3, D], 100),
        inputs.floats([D]),
        1e-5,
      ));
  }
});

Deno.test("rmsNorm() on a GPU takes more rows than a grid has along one dimension", () =>
  assertSame(gpu, 1, (inputs) =>
    inputs.backend.rmsNorm(
      inputs.floats([65_537, 2]),
      inputs.floats([2]),
      1e-5,
    )));

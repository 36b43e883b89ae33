// Operations of the GPU backend that move rows, or go through them value by
// value, on random shapes against the reference. What only moves must agree
// exactly.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createContext } from "../gpu/context.ts";
import { movementOperations } from "../gpu/operations/movement.ts";
import { uploadOperations } from "../gpu/operations/upload.ts";
import { bufferOf } from "../gpu/tensors.ts";
import { assertSame } from "./_parity.ts";
import { device, gpu } from "./_gpu.ts";

/** B, S, D and a seed. D is often a multiple of four. */
const SHAPE = fc.tuple(
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 12 }),
  fc.oneof(
    fc.integer({ min: 1, max: 30 }),
    fc.integer({ min: 1, max: 30 }).map((n) => 4 * n),
  ),
  fc.nat(),
);

Deno.test("gatherRows() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    SHAPE,
    fc.tuple(fc.nat(), fc.nat(), fc.nat()),
    fc.constantFrom("rows", "numbers", "integers"),
    ([B, S, D, seed], [from, some, few], what) =>
      assertSame(gpu, seed, (inputs) => {
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
  )));

Deno.test("gatherRows() on a GPU moves any bits: tiny, infinite, integers", async () => {
  const rows = gpu.upload(Int32Array.of(0, 2), [1, 2]);
  const span = { start: 0, length: 3 };
  const floats = Float32Array.of(1e-40, 0, -Infinity);
  const integers = Int32Array.of(-1, 0, 0x7fc00001);
  assertEquals(
    await gpu.read(gpu.gatherRows(gpu.upload(floats, [1, 3]), rows, span)),
    Float32Array.of(1e-40, -Infinity),
  );
  assertEquals(
    await gpu.read(gpu.gatherRows(gpu.upload(integers, [1, 3]), rows, span)),
    Int32Array.of(-1, 0x7fc00001),
  );
});

Deno.test("gatherRows() on a GPU removes every row of every sample", async () => {
  const x = gpu.upload(new Float32Array(24), [2, 3, 4]);
  const none = gpu.upload(new Int32Array(0), [2, 0]);
  const y = gpu.gatherRows(x, none, { start: 0, length: 3 });
  assertEquals(y.shape, [2, 0, 4]);
  assertEquals(await gpu.read(y), new Float32Array(0));
});

Deno.test("sliceRows() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    SHAPE,
    fc.nat(),
    fc.nat(),
    ([B, S, D, seed], from, some) =>
      assertSame(gpu, seed, (inputs) => {
        const start = from % S;
        const length = some % (S - start + 1);
        return inputs.backend.sliceRows(inputs.floats([B, S, D]), {
          start,
          length,
        });
      }, {}),
  )));

Deno.test("reshape() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    SHAPE,
    ([B, S, D, seed]) =>
      assertSame(
        gpu,
        seed,
        (inputs) =>
          inputs.backend.reshape(inputs.floats([B, S, D]), [S, D * B]),
        {},
      ),
  )));

Deno.test("concat() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    SHAPE,
    fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom(0 as const, 1 as const),
    fc.boolean(),
    ([other, , D, seed], sizes, axis, integers) =>
      assertSame(gpu, seed, (inputs) => {
        const { backend } = inputs;
        const shapes = sizes.map((size) =>
          axis === 0 ? [size, other] : [other, size]
        );
        return integers
          ? backend.concat(shapes.map((s) => inputs.integers(s, 9)), axis)
          : backend.concat(shapes.map((s) => inputs.floats([...s, D])), axis);
      }, {}),
  )));

for (const operation of ["add", "multiply"] as const) {
  Deno.test(`${operation}() on a GPU agrees with the reference`, () =>
    fc.assert(fc.asyncProperty(
      SHAPE,
      fc.constantFrom(0, 1, 2),
      ([B, S, D, seed], lacking) =>
        assertSame(gpu, seed, (inputs) =>
          inputs.backend[operation](
            inputs.floats([B, S, D]),
            inputs.floats([B, S, D].slice(lacking)),
          )),
    )));
}

Deno.test("aboveMean() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    SHAPE,
    ([B, S, D, seed]) =>
      assertSame(
        gpu,
        seed,
        (inputs) => inputs.backend.aboveMean(inputs.wholeFloats([B, S, D], 9)),
        {},
      ),
  )));

Deno.test("aboveMean() on a GPU marks all values of a row that are the same, however they round", async () => {
  for (const N of [1, 3, 7, 150]) {
    const row = gpu.upload(new Float32Array(N).fill(0.1), [1, N]);
    const marks = await gpu.read(gpu.aboveMean(row));
    assertEquals([...marks], Array(N).fill(1));
  }
});

Deno.test("embed() on a GPU agrees with the reference", () =>
  fc.assert(fc.asyncProperty(
    SHAPE,
    fc.integer({ min: 1, max: 50 }),
    ([B, S, D, seed], V) =>
      assertSame(gpu, seed, (inputs) =>
        inputs.backend.embed(
          inputs.floats([V, D]),
          inputs.integers([B, S], V),
        ), {}),
  )));

Deno.test("embed() on a GPU finds rows in all parts of a table that is too large to be bound", async () => {
  // Three rows of 16 bytes, and then one more.
  const context = createContext(device, { bindable: 48 });
  const { upload } = uploadOperations(context);
  const values = Float32Array.from({ length: 16 }, (_, i) => i);
  const table = upload(values, [4, 4]);
  const ids = upload(Int32Array.of(3, 0, 2, 3), [1, 4]);
  const y = movementOperations(context).embed(table, ids);
  const read = await context.runner.read(bufferOf(y), 64);
  assertEquals(
    [...new Float32Array(read)],
    [3, 0, 2, 3].flatMap((id) => [0, 1, 2, 3].map((d) => 4 * id + d)),
  );
});

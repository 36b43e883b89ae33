/**
 * Operations that move rows, or go through them value by value, on some backend
 * against the reference. What only moves must agree exactly.
 */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Backend } from "../../core/mod.ts";
import { assertSame } from "../_parity.ts";
import { check, SHAPE, size } from "./shapes.ts";

/** Tests the operations on so many random shapes, and at their edges. */
export function testRows(backend: Backend, runs: number): void {
  Deno.test(`upload() refuses data that do not fit the shape (${backend.name})`, () => {
    const message = "shape [2,2] needs 4 values: got 3";
    const [floats, integers] = [new Float32Array(3), new Int32Array(3)];
    for (
      const upload of [
        () => backend.upload(floats, [2, 2]),
        () => backend.upload(integers, [2, 2]),
        () => backend.uploadWeight(floats, [2, 2]),
      ]
    ) {
      assertThrows(upload, TypeError, message);
    }
  });

  Deno.test(`gatherRows() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      fc.tuple(
        fc.tuple(size(3), size(30), SHAPE.map(([, , D]) => D), fc.nat()),
        fc.tuple(fc.nat(), fc.nat(), fc.nat()),
        fc.constantFrom("rows", "numbers", "integers"),
      ),
      ([[B, S, D, seed], [from, some, few], what]) =>
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

  Deno.test(`gatherRows() moves any bits: tiny, infinite, integers (${backend.name})`, async () => {
    const rows = backend.upload(Int32Array.of(0, 2), [1, 2]);
    const span = { start: 0, length: 3 };
    const floats = backend.upload(Float32Array.of(1e-40, 0, -Infinity), [1, 3]);
    const integers = backend.upload(Int32Array.of(-1, 0, 0x7fc00001), [1, 3]);
    assertEquals(
      await backend.read(backend.gatherRows(floats, rows, span)),
      Float32Array.of(1e-40, -Infinity),
    );
    assertEquals(
      await backend.read(backend.gatherRows(integers, rows, span)),
      Int32Array.of(-1, 0x7fc00001),
    );
  });

  Deno.test(`gatherRows() removes every row of every sample (${backend.name})`, async () => {
    const x = backend.upload(new Float32Array(24), [2, 3, 4]);
    const none = backend.upload(new Int32Array(0), [2, 0]);
    const y = backend.gatherRows(x, none, { start: 0, length: 3 });
    assertEquals(y.shape, [2, 0, 4]);
    assertEquals(await backend.read(y), new Float32Array(0));
  });

  Deno.test(`sliceRows() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      fc.tuple(SHAPE, fc.nat(), fc.nat()),
      ([[B, S, D, seed], from, some]) =>
        assertSame(backend, seed, (inputs) => {
          const start = from % S;
          const length = some % (S - start + 1);
          const x = inputs.floats([B, S, D]);
          return inputs.backend.sliceRows(x, { start, length });
        }, {}),
    ));

  Deno.test(`reshape() agrees with the reference (${backend.name})`, () =>
    check(runs, SHAPE, ([B, S, D, seed]) =>
      assertSame(
        backend,
        seed,
        (inputs) =>
          inputs.backend.reshape(inputs.floats([B, S, D]), [S, D * B]),
        {},
      )));

  Deno.test(`concat() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      fc.tuple(
        SHAPE,
        fc.array(fc.integer({ min: 0, max: 6 }), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.constantFrom(0 as const, 1 as const),
        fc.boolean(),
      ),
      ([[other, , D, seed], sizes, axis, integers]) =>
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
        runs,
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
    check(runs, SHAPE, ([B, S, D, seed]) =>
      assertSame(
        backend,
        seed,
        (inputs) => inputs.backend.aboveMean(inputs.wholeFloats([B, S, D], 9)),
        {},
      )));

  Deno.test(`aboveMean() marks all values of a row that are the same, however they round (${backend.name})`, async () => {
    for (const N of [1, 3, 7, 150]) {
      const row = backend.upload(new Float32Array(N).fill(0.1), [1, N]);
      const marks = await backend.read(backend.aboveMean(row));
      assertEquals([...marks], Array(N).fill(1));
    }
  });

  Deno.test(`embed() agrees with the reference (${backend.name})`, () =>
    check(
      runs,
      fc.tuple(SHAPE, size(50)),
      ([[B, S, D, seed], V]) =>
        assertSame(backend, seed, (inputs) =>
          inputs.backend.embed(
            inputs.floats([V, D]),
            inputs.integers([B, S], V),
          ), {}),
    ));
}

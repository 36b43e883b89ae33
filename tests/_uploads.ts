// Uploading row by row, on any backend: what arrives is what arrives at once.

import { assertEquals, assertThrows } from "@std/assert";
import { type Backend, createRandom } from "../core/mod.ts";

/** Tests `uploadRows` and `uploadWeightRows` of a backend. */
export async function testUploads(backend: Backend): Promise<void> {
  const [O, I] = [21, 70];
  const random = createRandom(O, I);
  const data = Float32Array.from({ length: O * I }, () => random.normal());
  const ends = [2, 3, 11, 20, O]; // within panels, and at the end of one
  const pieces = ends.map((end, i) =>
    data.subarray((ends[i - 1] ?? 0) * I, end * I)
  );

  const table = backend.uploadRows([O, I]);
  for (const piece of pieces) table.write(piece);
  const all = backend.upload(Int32Array.from({ length: O }, (_, o) => o), [
    1,
    O,
  ]);
  assertEquals(await backend.read(backend.embed(table.tensor, all)), data);

  const weight = backend.uploadWeightRows([O, I]);
  // What is uploaded in between may make memory grow, or move.
  for (const piece of pieces) {
    weight.write(piece);
    backend.upload(new Float32Array(2 ** 20), [1, 2 ** 20]);
  }
  const x = backend.upload(data.subarray(0, I), [1, I]);
  assertEquals(
    await backend.read(backend.linear(x, weight.tensor)),
    await backend.read(
      backend.linear(x, backend.uploadWeight(data, [O, I])),
    ),
  );

  assertThrows(
    () => backend.uploadRows([2, 3]).write(new Float32Array(4)),
    TypeError,
    "Cannot upload rows as they must have 3 values each, and 2 are missing: got 4 values",
  );
  assertThrows(
    () => weight.write(new Float32Array(I)),
    TypeError,
    "0 are missing: got 70 values",
  );
  if (/weights$/.test(backend.name)) {
    const refusing = backend.uploadWeightRows([3, 2]);
    refusing.write(new Float32Array(2));
    assertThrows(
      () => refusing.write(Float32Array.of(0, 0, 0, NaN)),
      RangeError,
      "current value is NaN in row 2, column 1",
    );
  }
}

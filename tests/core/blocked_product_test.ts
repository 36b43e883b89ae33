// The fast product of the reference backend against its definition, bit by bit.

import { assertEquals } from "@std/assert";
import { multiplyInBlocks, multiplyMatrices } from "../../core/mod.ts";
import { randomFloats, seededRandom } from "../_random.ts";

Deno.test("multiplyMatrices() is x · weightᵀ, worked by hand", () => {
  const x = Float32Array.of(1, 2, 3, 4);
  const weight = Float32Array.of(1, 0, 0, 1, 2, -1);
  assertEquals(
    multiplyMatrices(x, weight, { M: 2, O: 3, I: 2 }),
    Float64Array.of(1, 2, 0, 3, 4, 2),
  );
});

Deno.test("multiplyInBlocks() gives the bits of multiplyMatrices(), also at the edges of blocks", () => {
  const random = seededRandom(1);
  for (const M of [0, 1, 3, 4, 5, 9]) {
    for (const O of [1, 2, 3, 8]) {
      for (const I of [1, 2, 7, 64]) {
        const x = randomFloats(random, M * I);
        const weight = randomFloats(random, O * I);
        const sizes = { M, O, I };
        assertEquals(
          multiplyInBlocks(x, weight, sizes),
          multiplyMatrices(x, weight, sizes),
          JSON.stringify(sizes),
        );
      }
    }
  }
});

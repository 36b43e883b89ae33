// The operations of the reference backend that choose, move, join and combine
// rows, worked by hand.

import { assertEquals } from "@std/assert";
import {
  contents,
  indices,
  range,
  reference as backend,
  tensor,
} from "../_reference.ts";

// topK

Deno.test("topK() gives the best columns in ascending order, per row", async () => {
  const scores = tensor([2, 4], [0.1, 0.9, 0.3, 0.5, 4, 3, 2, 1]);
  assertEquals(await contents(backend.topK(scores, 2)), {
    shape: [2, 2],
    values: [1, 3, 0, 1],
  });
});

Deno.test("topK() prefers the lower column when scores are equal", async () => {
  const scores = tensor([2, 5], [7, 1, 7, 7, 7, 0, 0, 0, 0, 0]);
  assertEquals((await contents(backend.topK(scores, 3))).values, [
    ...[0, 2, 3],
    ...[0, 1, 2],
  ]);
});

Deno.test("topK() keeps none when k is 0 and all when k is N", async () => {
  const scores = tensor([2, 3], [3, 1, 2, 1, 2, 3]);
  assertEquals(await contents(backend.topK(scores, 0)), {
    shape: [2, 0],
    values: [],
  });
  assertEquals((await contents(backend.topK(scores, 3))).values, [
    ...[0, 1, 2],
    ...[0, 1, 2],
  ]);
});

Deno.test("topK() orders negative scores and sorts by number, not by text", async () => {
  const scores = tensor([1, 5], [-3, 10, 9, -1, -20]);
  assertEquals((await contents(backend.topK(scores, 3))).values, [1, 2, 3]);
});

// gatherRows, sliceRows, reshape, concat, embed

Deno.test("gatherRows() keeps what is outside the span and, inside, each sample's own rows", async () => {
  // Samples of 6 rows [10 b + row, −(10 b + row)]; the span holds rows 1 … 4.
  const rows = [...range(6), ...range(6).map((row) => 10 + row)];
  const x = tensor([2, 6, 2], rows.flatMap((row) => [row, -row]));
  const kept = indices([2, 2], [0, 3, 1, 2]);
  const span = { start: 1, length: 4 };
  const expected = [0, 1, 4, 5, 10, 12, 13, 15];
  assertEquals(await contents(backend.gatherRows(x, kept, span)), {
    shape: [2, 4, 2],
    values: expected.flatMap((row) => [row, -row]),
  });
  // The same for rows of one number, float or integer.
  assertEquals(
    await contents(backend.gatherRows(tensor([2, 6], rows), kept, span)),
    { shape: [2, 4], values: expected },
  );
  const integers = backend.gatherRows(indices([2, 6], rows), kept, span);
  assertEquals(integers.type, "index");
  assertEquals(await contents(integers), { shape: [2, 4], values: expected });
});

Deno.test("gatherRows() can keep no row of the span, or all of it", async () => {
  const x = indices([2, 4], [0, 1, 2, 3, 10, 11, 12, 13]);
  const span = { start: 1, length: 2 };
  const none = backend.gatherRows(x, indices([2, 0], []), span);
  assertEquals(await contents(none), { shape: [2, 2], values: [0, 3, 10, 13] });
  const all = backend.gatherRows(x, indices([2, 2], [0, 1, 0, 1]), span);
  assertEquals(await contents(all), await contents(x));
  // A span that is the whole sequence, as the scores are.
  const whole = { start: 0, length: 4 };
  const last = backend.gatherRows(x, indices([2, 1], [3, 2]), whole);
  assertEquals(await contents(last), { shape: [2, 1], values: [3, 12] });
});

Deno.test("gatherRows() puts rows in the order asked for", async () => {
  const x = tensor([1, 5], [0, 1, 2, 3, 4]);
  const turned = indices([1, 3], [2, 0, 1]);
  assertEquals(
    await contents(backend.gatherRows(x, turned, { start: 1, length: 3 })),
    { shape: [1, 5], values: [0, 3, 1, 2, 4] },
  );
});

Deno.test("sliceRows() takes consecutive rows of every sample", async () => {
  const x = tensor([2, 3, 2], range(12));
  assertEquals(
    await contents(backend.sliceRows(x, { start: 1, length: 2 })),
    { shape: [2, 2, 2], values: [2, 3, 4, 5, 8, 9, 10, 11] },
  );
  assertEquals(
    await contents(backend.sliceRows(x, { start: 3, length: 0 })),
    { shape: [2, 0, 2], values: [] },
  );
});

Deno.test("reshape() keeps the values and their order", async () => {
  const x = tensor([1, 4, 3], range(12));
  assertEquals(
    await contents(backend.reshape(x, [2, 1, 6])),
    { shape: [2, 1, 6], values: range(12) },
  );
});

Deno.test("concat() joins along the batch", async () => {
  const parts = [tensor([1, 2, 1], [1, 2]), tensor([2, 2, 1], [3, 4, 5, 6])];
  assertEquals(await contents(backend.concat(parts, 0)), {
    shape: [3, 2, 1],
    values: [1, 2, 3, 4, 5, 6],
  });
});

Deno.test("concat() joins along the sequence, sample by sample", async () => {
  const parts = [
    tensor([2, 1, 2], [1, 1, 10, 10]),
    tensor([2, 0, 2], []), // a prompt may have no token before the image
    tensor([2, 2, 2], [2, 2, 3, 3, 20, 20, 30, 30]),
  ];
  assertEquals(await contents(backend.concat(parts, 1)), {
    shape: [2, 3, 2],
    values: [1, 1, 2, 2, 3, 3, 10, 10, 20, 20, 30, 30],
  });
});

Deno.test("concat() joins integers", async () => {
  const parts = [indices([2, 1], [1, 4]), indices([2, 2], [2, 3, 5, 6])];
  assertEquals(await contents(backend.concat(parts, 1)), {
    shape: [2, 3],
    values: [1, 2, 3, 4, 5, 6],
  });
});

Deno.test("embed() looks up rows of the table", async () => {
  const table = tensor([3, 2], [0, 1, 10, 11, 20, 21]);
  const ids = indices([2, 2], [2, 0, 1, 2]);
  assertEquals(await contents(backend.embed(table, ids)), {
    shape: [2, 2, 2],
    values: [20, 21, 0, 1, 10, 11, 20, 21],
  });
});

// add

Deno.test("add() adds equal shapes and repeats what lacks leading dimensions", async () => {
  const x = tensor([2, 2, 2], range(8));
  assertEquals(await contents(backend.add(x, x)), {
    shape: [2, 2, 2],
    values: range(8).map((i) => 2 * i),
  });
  assertEquals(
    (await contents(backend.add(x, tensor([2, 2], [10, 20, 30, 40])))).values,
    [10, 21, 32, 43, 14, 25, 36, 47],
  );
  assertEquals(
    (await contents(backend.add(x, tensor([2], [10, 20])))).values,
    [10, 21, 12, 23, 14, 25, 16, 27],
  );
  assertEquals([...await backend.read(x)], range(8)); // as it was
});

Deno.test("multiply() multiplies equal shapes and repeats what lacks leading dimensions", async () => {
  const x = tensor([2, 1, 2], [1, 2, 3, 4]);
  const product = (y: number[], ...shape: number[]) =>
    contents(backend.multiply(x, tensor(shape, y)));
  assertEquals(await product([5, 6, 7, 8], 2, 1, 2), {
    shape: [2, 1, 2],
    values: [5, 12, 21, 32],
  });
  assertEquals((await product([10, -1], 2)).values, [10, -2, 30, -4]);
});

Deno.test("aboveMean() marks what is at least the mean of its row", async () => {
  // Means 2.5, 2 and 1.
  const x = tensor([3, 4], [1, 2, 3, 4, 2, 2, 0, 4, 1, 1, 1, 1]);
  assertEquals(await contents(backend.aboveMean(x)), {
    shape: [3, 4],
    values: [0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1],
  });
});

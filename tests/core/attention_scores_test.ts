// attentionScores() of the reference backend over position ids with gaps: worked
// by hand, and against explicit matrices.

import { assertEquals } from "@std/assert";
import type { ScoreSpec, Span } from "../../core/mod.ts";
import { attentionMatrix, PRUNED, randomHeads, score } from "../_attention.ts";
import { assertClose } from "../_compare.ts";
import {
  range,
  reference as backend,
  ROUNDED_ONCE,
  tensor,
} from "../_reference.ts";

Deno.test("attentionScores() averages heads and sums queries, worked by hand", async () => {
  // Two heads of width 1, keys (0, ln 3). Head 0 asks with 1: weights 1/4, 3/4;
  // with 0: 1/2, 1/2. Head 1 the other way round. Two queries.
  const q = tensor([1, 2, 2], [1, 0, 0, 1]);
  const k = tensor([1, 2, 2], [0, 0, Math.log(3), Math.log(3)]);
  const all = { start: 0, length: 2 };
  const scores = backend.attentionScores(q, k, {
    headWidth: 1,
    queryRows: all,
    keyColumns: all,
  });
  assertEquals(scores.shape, [1, 2]);
  assertClose(await backend.read(scores), [0.75, 1.25], { relative: 1e-7 });
});

Deno.test("attentionScores() weighs queries, worked by hand", async () => {
  // As above: head 0 gives the keys 1/4, 3/4 and then 1/2, 1/2; head 1 the
  // same to the other query. So each query's mean is 3/8, 5/8.
  const q = tensor([1, 2, 2], [1, 0, 0, 1]);
  const k = tensor([1, 2, 2], [0, 0, Math.log(3), Math.log(3)]);
  const all = { start: 0, length: 2 };
  const spec = { headWidth: 1, queryRows: all, keyColumns: all };
  const scores = async (more: Partial<ScoreSpec>) => [
    ...await backend.read(backend.attentionScores(q, k, { ...spec, ...more })),
  ];
  const close = { relative: 1e-7 };
  const queryWeights = tensor([1, 2], [0, 2]);
  assertClose(await scores({ queryWeights }), [0.75, 1.25], close);
  // Two queries that differ: the first gives 1/4, 3/4, the second 1/2, 1/2.
  const differing = tensor([1, 2, 2], [1, 1, 0, 0]);
  const weighted = backend.attentionScores(differing, k, {
    ...spec,
    queryWeights: tensor([1, 2], [1, 0]),
  });
  assertClose(await backend.read(weighted), [0.25, 0.75], close);
});

Deno.test("attentionScores() adds the rows of the explicit matrices", async () => {
  const heads = randomHeads(15, { ...PRUNED, H: 6, K: 2 });
  const { B, H, Sq } = heads;
  const cases: [queryRows: Span, keyColumns: Span][] = [
    [{ start: 4, length: 2 }, { start: 1, length: 3 }], // instruction tokens
    [{ start: 5, length: 1 }, { start: 1, length: 3 }], // the last token alone
    [{ start: 0, length: Sq }, { start: 0, length: Sq }], // everything
    [{ start: 0, length: 2 }, { start: 2, length: 4 }], // all columns hidden
    [{ start: 4, length: 2 }, { start: 1, length: 0 }], // no vision token left
  ];
  for (const [queryRows, keyColumns] of cases) {
    const expected = range(B).flatMap((b) => {
      const matrices = range(H).map((h) => attentionMatrix(heads, b, h));
      return range(keyColumns.length).map((n) => {
        let sum = 0;
        for (const matrix of matrices) {
          for (const i of range(queryRows.length)) {
            sum += matrix[queryRows.start + i][keyColumns.start + n];
          }
        }
        return sum / H;
      });
    });
    const { shape, values } = await score(heads, queryRows, keyColumns);
    assertEquals(shape, [B, keyColumns.length]);
    assertClose(
      values,
      expected,
      ROUNDED_ONCE,
      JSON.stringify([queryRows, keyColumns]),
    );
  }
});

Deno.test("attentionScores() sum to one per query when all columns are chosen", async () => {
  const heads = randomHeads(16, { ...PRUNED, H: 4, K: 4 });
  for (const length of [1, 2, 6]) {
    const { values } = await score(
      heads,
      { start: 6 - length, length },
      { start: 0, length: 6 },
    );
    const sumOf = (b: number) =>
      values.slice(b * 6, (b + 1) * 6).reduce((sum, x) => sum + x, 0);
    assertClose([sumOf(0), sumOf(1)], [length, length], { relative: 1e-6 });
  }
});

Deno.test("attentionScores() is zero where no chosen query may look", async () => {
  const heads = randomHeads(17, { ...PRUNED, H: 2, K: 1 });
  const { values } = await score(
    heads,
    { start: 0, length: 3 },
    { start: 3, length: 3 },
  );
  assertEquals(values, [0, 0, 0, 0, 0, 0]);
});

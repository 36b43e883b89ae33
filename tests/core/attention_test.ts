// Attention of the reference backend, above all over position ids with gaps,
// as removed vision tokens leave them: against the textbook form with explicit
// matrices, and by what must not change the result.

import { assertEquals, assertNotEquals } from "@std/assert";
import type { Indices } from "../../core/mod.ts";
import {
  attend,
  denseAttention,
  GAPS,
  type Heads,
  onDevice,
  PRUNED,
  randomHeads,
  score,
  selfPositions,
} from "../_attention.ts";
import { assertClose } from "../_compare.ts";
import {
  contents,
  indices,
  range,
  reference as backend,
  ROUNDED_ONCE,
  tensor,
} from "../_reference.ts";

Deno.test("attention() weighs values by exp(q · k / √E), worked by hand", async () => {
  // E = 4, so √E = 2: scores (2 ln 1) / 2 and (2 ln 3) / 2, weights 1/4 and 3/4.
  const q = tensor([1, 1, 4], [2, 0, 0, 0]);
  const k = tensor([1, 2, 4], [0, 9, 9, 9, Math.log(3), 9, 9, 9]);
  const v = tensor([1, 2, 4], [10, 0, 1, 5, 20, 4, 1, 5]);
  const out = backend.attention(q, k, v, { headWidth: 4 });
  assertEquals(out.shape, [1, 1, 4]);
  assertClose(await backend.read(out), [17.5, 3, 1, 5], { relative: 1e-7 });
});

Deno.test("attention() agrees with explicit matrices", async () => {
  const cases: Omit<Heads, "q" | "k" | "v">[] = [
    { B: 1, Sq: 1, Sk: 1, H: 1, K: 1, E: 1 },
    { B: 2, Sq: 5, Sk: 7, H: 4, K: 4, E: 3 },
    { B: 2, Sq: 3, Sk: 4, H: 6, K: 2, E: 2 },
    { ...PRUNED, H: 2, K: 2 },
    { ...PRUNED, H: 6, K: 3 },
    { ...PRUNED, H: 3, K: 1 },
  ];
  for (const [i, sizes] of cases.entries()) {
    const heads = randomHeads(i, sizes);
    assertClose(
      await attend(heads),
      denseAttention(heads),
      ROUNDED_ONCE,
      `case ${i}`,
    );
  }
});

Deno.test("attention() lets a query see the keys whose position is not after its own", async () => {
  // Uniform weights (q = 0), so the output is the mean of the values seen.
  const see = async (queries: number[], keys: number[]): Promise<number[]> => {
    const q = tensor([1, queries.length, 1], queries.map(() => 0));
    const k = tensor([1, keys.length, 1], keys.map(() => 1));
    const v = tensor([1, keys.length, 1], keys.map((_, j) => 10 ** j));
    const causal = {
      queries: indices([1, queries.length], queries),
      keys: indices([1, keys.length], keys),
    };
    return [
      ...await backend.read(
        backend.attention(q, k, v, { headWidth: 1, causal }),
      ),
    ];
  };
  // Gaps; a query's own position counts as seen.
  assertEquals(await see([0, 5, 40], [0, 5, 40]), [1, 5.5, 37]);
  // Queries whose own position is not among the keys.
  assertEquals(await see([4, 6, 39], [0, 5, 40]), [1, 5.5, 5.5]);
  // By position, not by place in the sequence.
  assertEquals(await see([40, 0], [40, 0]), [5.5, 10]);
});

Deno.test("attention() depends on the order of position ids, not on their gaps", async () => {
  const heads = randomHeads(10, { ...PRUNED, H: 4, K: 2 });
  const expected = await attend(heads);
  const order = [...range(6), ...range(6)];
  for (const ids of [order, GAPS.map((p) => p + 500)]) {
    const renumbered = { ...heads, positions: selfPositions(ids) };
    assertEquals(await attend(renumbered), expected);
  }
});

Deno.test("attention() of earlier queries is not touched by later keys", async () => {
  const heads = randomHeads(11, { ...PRUNED, H: 4, K: 2 });
  const expected = await attend(heads);
  const k = heads.k.slice();
  const v = heads.v.slice();
  // The last two keys of sample 0, at positions 30 and 31.
  const width = heads.K * heads.E;
  k.fill(3, 4 * width, 6 * width);
  v.fill(-7, 4 * width, 6 * width);
  const actual = await attend({ ...heads, k, v });
  const row = heads.H * heads.E;
  assertEquals(actual.subarray(0, 4 * row), expected.subarray(0, 4 * row));
  assertEquals(actual.subarray(6 * row), expected.subarray(6 * row));
  assertNotEquals(
    actual.subarray(4 * row, 6 * row),
    expected.subarray(4 * row, 6 * row),
  );
});

Deno.test("attention() is unchanged when keys that nobody attends to are removed", async () => {
  // Keys 2 and 3 of both samples score some 1e4 below the others: weight 0.
  const heads = randomHeads(12, { ...PRUNED, H: 2, K: 2 });
  const { B, Sk, K, E } = heads;
  const q = heads.q.map((x) => 1 + Math.abs(x));
  const k = heads.k.slice();
  for (let b = 0; b < B; b++) {
    k.fill(-1e4, (b * Sk + 2) * K * E, (b * Sk + 4) * K * E);
  }
  const full = onDevice({ ...heads, q, k });
  const span = { start: 0, length: Sk };
  const rows = indices([B, 4], [0, 1, 4, 5, 0, 1, 4, 5]);
  const { queries, keys } = full.spec.causal!;
  const pruned = backend.attention(
    full.q,
    backend.gatherRows(full.k, rows, span),
    backend.gatherRows(full.v, rows, span),
    {
      headWidth: E,
      causal: { queries, keys: backend.gatherRows(keys, rows, span) },
    },
  );
  const expected = backend.attention(full.q, full.k, full.v, full.spec);
  assertEquals(await backend.read(pruned), await backend.read(expected));
});

Deno.test("attention() gives query head h the key head ⌊h K / H⌋", async () => {
  // One key per head, so the output is the value head that each query reads.
  const readBy = async (H: number, K: number): Promise<number[]> => {
    const q = tensor([1, 1, H], range(H));
    const k = tensor([1, 1, K], range(K));
    const v = tensor([1, 1, K], range(K));
    return [
      ...await backend.read(backend.attention(q, k, v, { headWidth: 1 })),
    ];
  };
  assertEquals(await readBy(4, 2), [0, 0, 1, 1]);
  assertEquals(await readBy(6, 3), [0, 0, 1, 1, 2, 2]);
  assertEquals(await readBy(6, 2), [0, 0, 0, 1, 1, 1]);
  assertEquals(await readBy(3, 1), [0, 0, 0]);
  assertEquals(await readBy(3, 3), [0, 1, 2]);
});

Deno.test("attention() and attentionScores() with grouped queries equal those with repeated key heads", async () => {
  const grouped = randomHeads(13, { ...PRUNED, H: 4, K: 2 });
  const { E } = grouped;
  // Heads k0 k1 → k0 k0 k1 k1, row by row.
  const repeat = (x: Float32Array): Float32Array =>
    Float32Array.from(
      { length: 2 * x.length },
      (_, i) => x[Math.floor(i / (2 * E)) * E + i % E],
    );
  const repeated = {
    ...grouped,
    K: 4,
    k: repeat(grouped.k),
    v: repeat(grouped.v),
  };
  assertEquals(await attend(grouped), await attend(repeated));
  const rows = { start: 3, length: 3 };
  const columns = { start: 1, length: 3 };
  assertEquals(
    await score(grouped, rows, columns),
    await score(repeated, rows, columns),
  );
});

Deno.test("attention() stays exact when scores are ±1e4", async () => {
  const q = tensor([1, 1, 1], [100]);
  const v = tensor([1, 3, 1], [1, 2, 4]);
  const attendTo = async (...k: number[]): Promise<number> => {
    const keys = tensor([1, 3, 1], k);
    return (await backend.read(
      backend.attention(q, keys, v, { headWidth: 1 }),
    ))[0];
  };
  assertEquals(await attendTo(100, -100, -100), 1);
  assertEquals(await attendTo(-100, -100, 100), 4);
  assertEquals(await attendTo(-100, 100, 100), 3);
  assertClose([await attendTo(-100, -100, -100)], [7 / 3], ROUNDED_ONCE);
  assertClose([await attendTo(100, 100, 100)], [7 / 3], ROUNDED_ONCE);
});

Deno.test("attention() of one query over cached keys equals the last row of the whole", async () => {
  const heads = randomHeads(14, { ...PRUNED, H: 4, K: 2 });
  const { q, k, v, spec } = onDevice(heads);
  const last = { start: 5, length: 1 };
  const whole = backend.attention(q, k, v, spec);
  const queries: Indices = indices([2, 1], [31, 31]);
  const one = backend.attention(backend.sliceRows(q, last), k, v, {
    ...spec,
    causal: { queries, keys: spec.causal!.keys },
  });
  assertEquals(
    await contents(one),
    await contents(backend.sliceRows(whole, last)),
  );
});

// Rules that rank vision tokens, on examples worked by hand and by what must
// hold for every sample.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type AttentionRanking,
  embedImages,
  embedPrompts,
  evenOrder,
  fromKeepCounts,
  isByAttention,
  predictNextToken,
  randomScores,
  type Ranking,
  RANKINGS,
  runDecoder,
  scoreByAttention,
  selectRaters,
  startRanking,
} from "../../core/mod.ts";
import { assertClose } from "../_compare.ts";
import { enter, keepAll, loadLlavaFixture, trace } from "../_llava.ts";
import {
  contents,
  indices,
  range,
  reference as backend,
  tensor,
} from "../_reference.ts";

/**
 * One system token, two vision tokens, two instruction tokens, and two heads of
 * width 1. A token that asks with 1 gives a key of ln w the weight w, one that
 * asks with 0 gives all the same.
 */
const TOKENS = {
  // Head 0, head 1.
  q: tensor([1, 5, 2], [0, 0, 0, 0, 0, 0, 1, 0, 1, 1]),
  k: tensor(
    [1, 5, 2],
    [1, 1, 2, 1, 1, 4, 1, 1, 1, 1].map(Math.log),
  ),
  headWidth: 1,
  causal: {
    queries: indices([1, 5], range(5)),
    keys: indices([1, 5], range(5)),
  },
  vision: { start: 1, length: 2 },
};

async function scores(ranking: AttentionRanking, raters?: number[]) {
  const x = scoreByAttention(backend, ranking, {
    ...TOKENS,
    ...(raters && { raters: tensor([1, 2], raters) }),
  });
  assertEquals(x.shape, [1, 2]);
  return [...await backend.read(x)];
}

/** What the vision tokens get, by who asks: in head 0, and in head 1. */
const RECEIVED = {
  first: [[2 / 5, 1 / 5], [1 / 4, 1 / 4]],
  last: [[2 / 6, 1 / 6], [1 / 8, 4 / 8]],
};
const CLOSE = { relative: 1e-6 };

Deno.test("scoreByAttention() sums instruction tokens and averages heads", async () => {
  const { first, last } = RECEIVED;
  const sum = [0, 1].map((n) =>
    (first[0][n] + first[1][n] + last[0][n] + last[1][n]) / 2
  );
  assertClose(await scores("instruction"), sum, CLOSE);
});

Deno.test("scoreByAttention() can ask the last token alone, or the raters", async () => {
  const mean = ([a, b]: number[][]) => [0, 1].map((n) => (a[n] + b[n]) / 2);
  assertClose(await scores("last"), mean(RECEIVED.last), CLOSE);
  assertClose(await scores("raters", [0, 1]), mean(RECEIVED.last), CLOSE);
  assertClose(await scores("raters", [1, 0]), mean(RECEIVED.first), CLOSE);
  assertClose(await scores("raters", [1, 1]), await scores("instruction"), {});
});

Deno.test("scoreByAttention() needs the queries of instruction tokens only, unless vision tokens ask", async () => {
  const words = {
    ...TOKENS,
    q: tensor([1, 2, 2], [1, 0, 1, 1]),
    causal: { ...TOKENS.causal, queries: indices([1, 2], [3, 4]) },
    raters: tensor([1, 2], [0, 1]),
  };
  for (const ranking of RANKINGS.filter(isByAttention)) {
    if (ranking === "self_cross") continue;
    assertEquals(
      await backend.read(scoreByAttention(backend, ranking, words)),
      Float32Array.from(await scores(ranking, [0, 1])),
    );
  }
});

Deno.test("scoreByAttention() multiplies what vision and instruction tokens give", async () => {
  // The first vision token sees two tokens, the second three, all alike.
  const self = [1 / 2 + 1 / 3, 1 / 3];
  const cross = await scores("instruction");
  assertClose(
    await scores("self_cross"),
    [self[0] * cross[0], self[1] * cross[1]],
    CLOSE,
  );
});

Deno.test("selectRaters() finds the instruction tokens that vision tokens are similar to", async () => {
  // System, vision, vision, and three instruction tokens.
  const image = [3, 0, 0, 3];
  const ratersOf = async (...instruction: number[]) => {
    const hidden = tensor([1, 6, 2], [9, 9, ...image, ...instruction]);
    const vision = { start: 1, length: 2 };
    const { shape, values } = await contents(
      selectRaters(backend, { hidden, vision }),
    );
    assertEquals(shape, [1, 3]);
    return values;
  };
  assertEquals(await ratersOf(2, 0, 0, 2, -2, -2), [1, 1, 0]);
  assertEquals(await ratersOf(0, 0, 3, 3, 0, 0), [0, 1, 0]);
  // All the same: all of them.
  assertEquals(await ratersOf(1, 1, 1, 1, 1, 1), [1, 1, 1]);
});

Deno.test("selectRaters() does not divide by the width", async () => {
  // In D = 4, shares of a vision token [2, 0, 0, 0] are e⁴, e⁰, e³: of their
  // mean, the last is 0.80; with half the exponents, as in attention, 1.03.
  const hidden = tensor([1, 4, 4], [
    ...[2, 0, 0, 0],
    ...[2, 0, 0, 0],
    ...[0, 0, 0, 0],
    ...[1.5, 0, 0, 0],
  ]);
  const vision = { start: 0, length: 1 };
  const { values } = await contents(selectRaters(backend, { hidden, vision }));
  assertEquals(values, [1, 0, 0]);
});

Deno.test("selectRaters() makes an only instruction token a rater", async () => {
  const hidden = tensor([1, 3, 2], [1, 0, 0, 1, -5, -5]);
  const vision = { start: 0, length: 2 };
  assertEquals(
    (await contents(selectRaters(backend, { hidden, vision }))).values,
    [1],
  );
});

Deno.test("evenOrder() names every place once", () => {
  for (const N of [0, 1, 2, 3, 4, 16, 17, 144, 576, 577, 1280]) {
    assertEquals(evenOrder(N).toSorted((a, b) => a - b), range(N));
  }
});

Deno.test("evenOrder() begins in the middle and then in distant places", () => {
  assertEquals(evenOrder(9)[0], 4);
  assertEquals(evenOrder(5), [2, 0, 3, 1, 4]);
});

Deno.test("evenOrder() spreads every count evenly over the grid", () => {
  for (const side of [12, 24]) {
    const order = evenOrder(side * side);
    // In every box, the share of its area to within a few tokens.
    for (let count = 1; count <= order.length; count += 11) {
      const kept = order.slice(0, count);
      for (let box = 1; box < side; box++) {
        const inBox = kept.filter((n) => n % side < box && n / side < box);
        const share = count * (box / side) ** 2;
        assert(Math.abs(inBox.length - share) < 7, `${count}, box ${box}`);
      }
      const upper = kept.filter((n) => n < order.length / 2).length;
      const left = kept.filter((n) => n % side < side / 2).length;
      assert(Math.abs(upper - count / 2) < 5, `${count}, ${upper} above`);
      assert(Math.abs(left - count / 2) < 5, `${count}, ${left} left`);
    }
  }
});

Deno.test("evenOrder() spreads every count evenly over a line where there is no grid", () => {
  const N = 577;
  const order = evenOrder(N);
  for (let count = 1; count <= N; count += 11) {
    for (let end = 50; end < N; end += 50) {
      const before = order.slice(0, count).filter((n) => n < end).length;
      assert(Math.abs(before - count * end / N) < 4, `${count} before ${end}`);
    }
  }
});

Deno.test("startRanking() gives every sample the same even scores", async () => {
  const fixture = await loadLlavaFixture("llava_a");
  const { scores } = startRanking(backend, enter(fixture), "uniform");
  const { shape, values } = await contents(scores!);
  assertEquals(shape, [2, 16]);
  assertEquals(values.slice(16), values.slice(0, 16));
  const order = range(16).sort((a, b) => values[b] - values[a]);
  assertEquals(order, evenOrder(16));
});

Deno.test("runDecoder() keeps the beginning of the even order, from layer 0 on", async () => {
  const { model, ...fixture } = await loadLlavaFixture("llava_a");
  const state = enter({ model, ...fixture });
  const keep = [13, 13, 6, 1];
  const { layers } = await trace(model, state, fromKeepCounts(keep, 16), {
    ranking: "uniform",
  });
  const start = fixture.prompts[0].before.length;
  for (const [i, { positions }] of layers.entries()) {
    const S = positions.length / 2;
    const wanted = evenOrder(16).slice(0, keep[i]).sort((a, b) => a - b);
    for (const b of [0, 1]) {
      const ids = [...positions.subarray(b * S, (b + 1) * S)];
      assertEquals(
        ids.slice(start, start + keep[i]).map((id) => id - start),
        wanted,
      );
    }
  }
});

Deno.test("runDecoder() computes scores only before a reduction, and where it stops", async () => {
  let passes = 0;
  const fixture = await loadLlavaFixture("llava_a", {
    ...backend,
    attentionScores(q, k, spec) {
      // Raters are not ranked by the attention of a layer.
      if (spec.causal) passes++;
      return backend.attentionScores(q, k, spec);
    },
  });
  const { model } = fixture;
  const passesOf = (ranking: Ranking, keep: number[], to?: number) => {
    passes = 0;
    const state = embedPrompts(
      model,
      embedImages(model, fixture.images),
      fixture.prompts,
      ranking === "random" ? [1, 2] : undefined,
    );
    const schedule = fromKeepCounts(keep, 16);
    if (to) runDecoder(model, state, schedule, { ranking, to });
    else predictNextToken(model, state, schedule, { ranking });
    return passes;
  };
  for (const ranking of RANKINGS) {
    const perLayer = ranking === "self_cross"
      ? 2
      : Number(ranking !== "random" && ranking !== "uniform");
    assertEquals(passesOf(ranking, [16, 16, 16, 16]), 0, ranking);
    assertEquals(passesOf(ranking, [16, 8, 8, 8]), perLayer, ranking);
    assertEquals(passesOf(ranking, [16, 16, 9, 3]), 2 * perLayer, ranking);
    // A search may reduce where the run before it stopped.
    const atEnd = ranking === "next" ? 0 : perLayer;
    assertEquals(passesOf(ranking, [16, 16, 16, 16], 2), atEnd, ranking);
  }
});

Deno.test("runDecoder() says what a ranking lacks", async () => {
  const fixture = await loadLlavaFixture("llava_a");
  const { model } = fixture;
  const state = enter(fixture);
  const all = keepAll(model);
  assertThrows(
    () => runDecoder(model, state, all, { ranking: "random" }),
    RangeError,
    "a number for each sample",
  );
  const later = runDecoder(model, state, all, { to: 2 });
  assertThrows(
    () => runDecoder(model, later, all, { from: 2, ranking: "raters" }),
    RangeError,
    "current layer is 2",
  );
});

Deno.test("randomScores() of a sample do not depend on its batch", async () => {
  const all = await contents(randomScores(backend, [3, 0, 7], 5));
  assertEquals(all.shape, [3, 5]);
  for (const [b, sample] of [3, 0, 7].entries()) {
    const alone = await contents(randomScores(backend, [sample], 5));
    assertEquals(alone.values, all.values.slice(b * 5, (b + 1) * 5));
  }
});

Deno.test("randomScores() rank the tokens of neighbouring samples differently", async () => {
  const samples = range(20);
  const ranks = await contents(
    backend.topK(randomScores(backend, samples, 100), 10),
  );
  const rows = samples.map((b) => ranks.values.slice(b * 10, (b + 1) * 10));
  assertEquals(new Set(rows.map(String)).size, samples.length);
  // No token is favoured: 200 places fall on most of the 100 tokens.
  assert(new Set(ranks.values).size > 70);
});

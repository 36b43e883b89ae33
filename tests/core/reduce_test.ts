// Sort & Reduce on examples that fit in the head: who stays, in which order,
// with which position ids.

import { assertEquals, assertStrictEquals } from "@std/assert";
import { countUp, type DecoderState, sortAndReduce } from "../../core/mod.ts";
import { randomFloats, seededRandom } from "../_random.ts";
import {
  contents,
  indices,
  range,
  reference as backend,
  tensor,
} from "../_reference.ts";

/**
 * Two system tokens, six vision tokens, two instruction tokens; hidden state
 * [place, −place], so that a row says where it came from.
 */
function stateOf(...scores: number[][]): DecoderState {
  const B = scores.length;
  const places = scores.flatMap(() => range(10));
  return {
    hidden: tensor([B, 10, 2], places.flatMap((place) => [place, -place])),
    positions: indices([B, 10], places),
    vision: { start: 2, length: 6 },
    length: 10,
    scores: tensor([B, 6], scores.flat()),
  };
}

const SCORES = [0.25, 0.5, 0.125, 0.5, 0.0625, 0.375];

Deno.test("sortAndReduce() keeps the best vision tokens in their old order", async () => {
  // The best three are 1, 3 and 5, at places 3, 5 and 7.
  const state = sortAndReduce(backend, stateOf(SCORES), 3, "original");
  const stay = [0, 1, 3, 5, 7, 8, 9];
  assertEquals(await contents(state.hidden), {
    shape: [1, 7, 2],
    values: stay.flatMap((place) => [place, -place]),
  });
  assertEquals(await contents(state.positions), {
    shape: [1, 7],
    values: stay,
  });
  assertEquals(state.vision, { start: 2, length: 3 });
  assertEquals(await contents(state.scores!), {
    shape: [1, 3],
    values: [0.5, 0.5, 0.375],
  });
});

Deno.test("sortAndReduce() numbers survivors anew when positions are reindexed", async () => {
  const state = sortAndReduce(backend, stateOf(SCORES), 3, "reindexed");
  assertEquals((await contents(state.positions)).values, range(7));
  const { values } = await contents(state.hidden);
  assertEquals(values.filter((_, i) => i % 2 === 0), [0, 1, 3, 5, 7, 8, 9]);
});

Deno.test("sortAndReduce() keeps the earlier of two tokens with equal scores", async () => {
  const state = sortAndReduce(backend, stateOf(SCORES), 1, "original");
  assertEquals((await contents(state.positions)).values, [0, 1, 3, 8, 9]);
});

Deno.test("sortAndReduce() decides for every sample of a batch on its own", async () => {
  const state = sortAndReduce(
    backend,
    stateOf(SCORES, [1, 0, 0, 0, 0, 2], [0, 0, 0, 3, 4, 0]),
    2,
    "original",
  );
  assertEquals(await contents(state.positions), {
    shape: [3, 6],
    values: [
      ...[0, 1, 3, 5, 8, 9],
      ...[0, 1, 2, 7, 8, 9],
      ...[0, 1, 5, 6, 8, 9],
    ],
  });
  assertEquals((await contents(state.scores!)).values, [0.5, 0.5, 1, 2, 3, 4]);
});

Deno.test("sortAndReduce() can remove all vision tokens", async () => {
  const state = sortAndReduce(backend, stateOf(SCORES, SCORES), 0, "original");
  assertEquals(await contents(state.positions), {
    shape: [2, 4],
    values: [0, 1, 8, 9, 0, 1, 8, 9],
  });
  assertEquals(state.vision, { start: 2, length: 0 });
  assertEquals(state.scores!.shape, [2, 0]);
  // Nothing is left to remove, with or without scores.
  const next = { ...state, scores: null };
  assertStrictEquals(sortAndReduce(backend, next, 0, "original"), next);
});

Deno.test("sortAndReduce() hands the state back when every vision token stays", () => {
  // Layer 0 has no scores, and needs none.
  const state = { ...stateOf(SCORES), scores: null };
  assertStrictEquals(sortAndReduce(backend, state, 6, "original"), state);
  assertStrictEquals(sortAndReduce(backend, state, 6, "reindexed"), state);
});

Deno.test("sortAndReduce() nests kept sets, whatever the scores of each layer", async () => {
  const random = seededRandom(8);
  let state = stateOf(SCORES, SCORES);
  let before = (await contents(state.positions)).values;
  for (const keep of [6, 5, 3, 3, 1, 0]) {
    state = sortAndReduce(backend, state, keep, "original");
    const after = (await contents(state.positions)).values;
    const S = 4 + keep;
    for (const b of [0, 1]) {
      const kept = after.slice(b * S, (b + 1) * S);
      const there = before.slice(
        b * before.length / 2,
        (b + 1) * before.length / 2,
      );
      assertEquals(kept, there.filter((place) => kept.includes(place)));
    }
    before = after;
    // The next layer sees the survivors in another light.
    const scores = tensor([2, keep], randomFloats(random, 2 * keep));
    state = { ...state, scores };
  }
  assertEquals(before, [0, 1, 8, 9, 0, 1, 8, 9]);
});

Deno.test("countUp() numbers every sample from 0", async () => {
  assertEquals(await contents(countUp(backend, 2, 3)), {
    shape: [2, 3],
    values: [0, 1, 2, 0, 1, 2],
  });
});

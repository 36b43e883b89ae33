import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createRandom } from "../../core/random.ts";
import { range } from "../_reference.ts";

/**
 * The first words after seeding, from another program (Python's unbounded
 * integers), written from the definition of sfc32:
 *
 *     for _ in range(15): next()      # and then these
 *     t = (a + b + n) & M; n = (n + 1) & M
 *     a = b ^ (b >> 9)
 *     b = (c + (c << 3)) & M
 *     c = ((c << 21 | c >> 11) + t) & M     # → t
 */
const FIRST_WORDS: readonly [
  seed: [number, number, number],
  words: number[],
][] = [
  [[0, 0, 0], [0xfb52c520, 0x38802be1, 0x948279e6, 0xec4bf1d9, 0x7cb0a909]],
  [[1, 2, 3], [0xeda6a65f, 0x05843866, 0x42e2d5db, 0x01712f7d, 0xd37ea3b9]],
  [[4, 0, 7], [0xb69a25a5, 0x71b1fd65, 0x5bc21457, 0xf557420b, 0xa8c74c90]],
  [
    [-1, 0xffffffff, 0x80000000],
    [0x990e0753, 0x885e9c4b, 0x59f79fde, 0xdefec5e8, 0x3b492716],
  ],
];

const DRAWS = 20_000;

Deno.test("createRandom() gives the words of sfc32", () => {
  for (const [seed, words] of FIRST_WORDS) {
    const random = createRandom(...seed);
    assertEquals(words.map(() => random.word()), words, `seed ${seed}`);
  }
});

Deno.test("createRandom() gives neighbouring seeds unrelated streams", () => {
  const streams = [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 2], [1, 1, 1]]
    .map(([a, b, c]) => createRandom(a, b, c)).map((random) =>
      range(50).map(() => random.word())
    );
  const words = streams.flat();
  assertEquals(new Set(words).size, words.length);
});

Deno.test("createRandom() takes missing seed words for 0", () => {
  assertEquals(createRandom(5).word(), createRandom(5, 0, 0).word());
});

Deno.test("uniform() is a word over 2³², evenly spread in [0, 1)", () => {
  const random = createRandom(1);
  assertEquals(random.uniform(), createRandom(1).word() / 2 ** 32);
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < DRAWS; i++) {
    const value = random.uniform();
    assert(value >= 0 && value < 1);
    tenths[Math.floor(value * 10)]++;
  }
  // 2,000 each; the standard deviation is 42, and 5 of them are allowed.
  for (const count of tenths) assert(Math.abs(count - 2000) < 212);
});

Deno.test("between() stays in its interval and reaches both ends", () => {
  const random = createRandom(2);
  const draws = range(DRAWS).map(() => random.between(-3, 5));
  const [low, high] = [Math.min(...draws), Math.max(...draws)];
  assert(low >= -3 && low < -2.99);
  assert(high < 5 && high > 4.99);
});

Deno.test("below() reaches every integer under n and no other", () => {
  const random = createRandom(3);
  const seen = new Set(range(500).map(() => random.below(7)));
  assertEquals([...seen].sort(), range(7));
  assertEquals(range(20).map(() => random.below(1)), Array(20).fill(0));
});

Deno.test("normal() has the moments of the sum of four uniform bytes", () => {
  const random = createRandom(4);
  const draws = range(DRAWS).map(() => random.normal());
  const moment = (power: number) =>
    draws.reduce((sum, x) => sum + x ** power, 0) / DRAWS;
  // Mean 0, variance 1, no skew; kurtosis 3 − 1.2 / 4 = 2.7 (normal: 3).
  assert(Math.abs(moment(1)) < 0.035);
  assert(Math.abs(moment(2) - 1) < 0.05);
  assert(Math.abs(moment(3)) < 0.1);
  assert(Math.abs(moment(4) - 2.7) < 0.2);
  // Four bytes of 0 or 255: ±510 of 147.8.
  assert(draws.every((x) => Math.abs(x) <= 510 / 147.8));
});

Deno.test("pick() returns every element of a list", () => {
  const random = createRandom(5);
  const items = ["a", "b", "c"];
  const seen = new Set(range(100).map(() => random.pick(items)));
  assertEquals([...seen].sort(), items);
});

Deno.test("permutation() holds each integer once and puts each anywhere", () => {
  const random = createRandom(6);
  const places = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const order = random.permutation(4);
    assertEquals([...order].sort(), range(4));
    order.forEach((value, place) => places.add(`${value} at ${place}`));
  }
  assertEquals(places.size, 16);
  assertEquals(random.permutation(0), []);
  assertEquals(random.permutation(1), [0]);
  assertNotEquals(random.permutation(50), range(50));
});

Deno.test("permutation() gives all orders of three equally often", () => {
  const random = createRandom(7);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = random.permutation(3).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(counts.size, 6);
  // 1,000 each, standard deviation 29.
  for (const count of counts.values()) assert(Math.abs(count - 1000) < 145);
});

// Which samples run together.

import { assertEquals, assertThrows } from "@std/assert";
import {
  type Batch,
  forcedPrompt,
  makeBatches,
  type Sample,
  visionTokensOf,
} from "../../eval/batches.ts";
import { loadLlavaFixture } from "../_llava.ts";
import { noise } from "../_random.ts";

const tile = noise(0, 16);
const images = [[tile], [tile, tile], [tile]];
const sample = (
  image: number,
  before: number,
  after: number,
  answer: number,
): Sample => ({
  image,
  prompt: { before: Array(before).fill(5), after: Array(after).fill(6) },
  answer: Array(answer).fill(7),
});
const numbers = (batches: readonly Batch[]) =>
  batches.map((batch) => batch.map(({ number }) => number));

Deno.test("makeBatches() puts samples of one shape together, in the order of the first of each", () => {
  const samples = [
    sample(0, 1, 2, 1),
    sample(1, 1, 2, 1), // more tiles
    sample(2, 1, 2, 1),
    sample(0, 2, 1, 1), // other lengths
    sample(0, 1, 2, 2), // a longer answer
    sample(0, 1, 1, 2), // as many words, but fewer of them the instruction's
    sample(0, 1, 2, 2),
    sample(1, 1, 2, 1),
  ];
  assertEquals(numbers(makeBatches({ images, samples }, 8, 9)), [
    ...[[0, 2], [1, 7], [3], [4, 6], [5]],
  ]);
});

Deno.test("makeBatches() makes batches of so many samples at most", () => {
  const samples = Array.from({ length: 5 }, () => sample(0, 1, 2, 1));
  assertEquals(numbers(makeBatches({ images, samples }, 2, 9)), [
    ...[[0, 1], [2, 3], [4]],
  ]);
});

Deno.test("makeBatches() leaves samples the numbers that they have", () => {
  const samples = [{ ...sample(0, 1, 2, 1), number: 9 }, sample(0, 1, 2, 1)];
  assertEquals(numbers(makeBatches({ images, samples }, 2, 9)), [[9, 1]]);
});

Deno.test("makeBatches() refuses samples that no evaluation can be true of", () => {
  const good = sample(0, 1, 2, 1);
  const cases: [Partial<Sample>, string][] = [
    [{ image: 3 }, "sample 1 as its image must be one of the 3 of the set"],
    [{ answer: [] }, "sample 1 as its answer must have a token"],
    [{ answer: [7, 9] }, "an integer in [0, 8]: current value is 9"],
    [{ answer: [0.5] }, "an integer in [0, 8]: current value is 0.5"],
    [{ number: 0 }, "a number of its own: 0 is that of two"],
  ];
  for (const [change, message] of cases) {
    const samples = [good, { ...good, ...change }];
    assertThrows(
      () => makeBatches({ images, samples }, 2, 9),
      RangeError,
      message,
    );
  }
  assertThrows(
    () => makeBatches({ images, samples: [good] }, 0, 9),
    RangeError,
    "size must be an integer of 1 or more: current value is 0",
  );
});

Deno.test("forcedPrompt() forces all of an answer but its end", () => {
  const { prompt } = sample(0, 1, 2, 1);
  const forced = (answer: number[]) =>
    forcedPrompt({ image: 0, prompt, answer });
  assertEquals(forced([4, 8, 2]), { ...prompt, forced: [4, 8] });
  assertEquals(forced([4]), { ...prompt, forced: [] });
});

Deno.test("visionTokensOf() is the number of the image with most tiles", async () => {
  const { model: { config } } = await loadLlavaFixture("llava_a");
  assertEquals(visionTokensOf({ images }, config), 2 * config.visionTokens);
});

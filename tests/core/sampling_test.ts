import { assert, assertEquals, assertThrows } from "@std/assert";
import { createRandom, sampleToken } from "../../core/mod.ts";

const logits = Float32Array.from([1, 3, 2, 3, -Infinity]);

Deno.test("sampleToken() takes the likeliest token at temperature 0, of equal ones the first", () => {
  assertEquals(sampleToken(logits), 1);
});

/** How often each of `counts.length` tokens is drawn. */
function draw(options: { temperature: number; topP?: number }): number[] {
  const { uniform } = createRandom(1);
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 20000; i++) {
    counts[sampleToken(logits, { ...options, random: uniform })]++;
  }
  return counts.map((count) => count / 20000);
}

Deno.test("sampleToken() draws tokens as often as the softmax says", () => {
  for (const temperature of [0.5, 1, 2]) {
    const weights = [...logits].map((logit) => Math.exp(logit / temperature));
    const sum = weights.reduce((a, b) => a + b);
    draw({ temperature }).forEach((share, id) => {
      // four standard deviations of 20,000 draws
      assert(Math.abs(share - weights[id] / sum) < 0.015, `token ${id}`);
    });
  }
});

Deno.test("sampleToken() draws only from the nucleus of top-p", () => {
  // Probabilities .054 .400 .147 .400: the two best hold .799.
  const [a, b, c, d] = draw({ temperature: 1, topP: 0.75 });
  assertEquals([a, c], [0, 0]);
  assert(Math.abs(b - 0.5) < 0.015 && Math.abs(d - 0.5) < 0.015);
  assertEquals(draw({ temperature: 1, topP: 0.39 }), [0, 1, 0, 0, 0]);
  assert(draw({ temperature: 1, topP: 0.9 })[2] > 0);
});

Deno.test("sampleToken() refuses what it cannot sample from", () => {
  const random = () => 0.5;
  for (
    const [options, message] of [
      [{ temperature: -1 }, "temperature"],
      [{ temperature: NaN }, "temperature"],
      [{ temperature: 1, topP: 0, random }, "top-p"],
      [{ temperature: 1, topP: 1.1, random }, "top-p"],
      [{ temperature: 1 }, "without random numbers"],
    ] as const
  ) {
    assertThrows(() => sampleToken(logits, options), RangeError, message);
  }
  for (const bad of [NaN, Infinity, -Infinity]) {
    const values = new Float32Array(3).fill(bad);
    assertThrows(
      () => sampleToken(values),
      RangeError,
      Number.isNaN(bad) ? "logit 0 is not a number" : "largest logit",
    );
  }
  assertThrows(
    () => sampleToken(Float32Array.of(1, NaN, 2), { temperature: 1, random }),
    RangeError,
    "logit 1 is not a number",
  );
});

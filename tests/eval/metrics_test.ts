import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { accuracy, argmax, klDivergence, scoreAnswer } from "../../eval/mod.ts";
import { randomFloats, randomInteger, seededRandom } from "../_random.ts";

Deno.test("scoreAnswer() is −log softmax of the answer, in nats", () => {
  // p = 1/8, 2/8, 5/8
  const logits = Float32Array.of(0, Math.log(2), Math.log(5));
  for (const [answer, p] of [1 / 8, 2 / 8, 5 / 8].entries()) {
    const { correct, loss } = scoreAnswer(logits, 0, 3, [answer]);
    assertAlmostEquals(loss, -Math.log(p), 1e-7);
    assertEquals(correct, answer === 2);
  }
});

Deno.test("scoreAnswer() looks at the sample's own row", () => {
  const random = seededRandom(1);
  const [B, V] = [5, 7];
  const logits = randomFloats(random, B * V);
  for (let b = 0; b < B; b++) {
    const answer = randomInteger(random, 0, V - 1);
    const row = logits.slice(b * V, (b + 1) * V);
    assertEquals(
      scoreAnswer(logits, b, V, [answer]),
      scoreAnswer(row, 0, V, [answer]),
    );
  }
});

Deno.test("scoreAnswer() adds up the tokens of an answer, which is right where all are likeliest", () => {
  const random = seededRandom(2);
  const [B, A, V] = [2, 3, 7];
  const logits = randomFloats(random, B * A * V);
  const row = (b: number, a: number) =>
    logits.subarray((b * A + a) * V, (b * A + a + 1) * V);
  for (const b of [0, 1]) {
    const best = [0, 1, 2].map((a) => argmax(row(b, a)));
    for (const answer of [best, [1, 2, 3], best.with(1, (best[1] + 1) % V)]) {
      const each = answer.map((token, a) =>
        scoreAnswer(row(b, a), 0, V, [token])
      );
      assertEquals(scoreAnswer(logits, b, V, answer), {
        correct: String(answer) === String(best),
        loss: each.reduce((sum, { loss }) => sum + loss, 0),
      });
    }
  }
});

Deno.test("scoreAnswer() stays finite and not negative for logits of any size", () => {
  const large = Float32Array.of(3e38, -3e38, 88);
  assertEquals(scoreAnswer(large, 0, 3, [0]), { correct: true, loss: 0 });
  const { correct, loss } = scoreAnswer(large, 0, 3, [1]);
  assertEquals(correct, false);
  assert(loss > 1e38 && loss < Infinity, `${loss}`);
  // Far below zero all the same: only differences count.
  const low = scoreAnswer(Float32Array.of(-1e30, -1e30), 0, 2, [1]);
  assertAlmostEquals(low.loss, Math.log(2), 1e-12);
});

Deno.test("scoreAnswer() takes the first of equal logits for the model's answer", () => {
  const logits = Float32Array.of(1, 4, 4);
  assertEquals(scoreAnswer(logits, 0, 3, [1]).correct, true);
  assertEquals(scoreAnswer(logits, 0, 3, [2]).correct, false);
});

Deno.test("argmax() gives the place of the largest, the first of equal ones", () => {
  assertEquals(argmax([-3, -1, -2]), 1);
  assertEquals(argmax([5]), 0);
  assertEquals(argmax([0, 2, 2, 1]), 1);
});

Deno.test("accuracy() is the share of right answers, NaN without samples", () => {
  const samples = [true, false, true, true].map((correct, index) => ({
    index,
    correct,
    loss: 1,
  }));
  assertEquals(accuracy(samples), 0.75);
  assertEquals(accuracy([]), NaN);
});

Deno.test("klDivergence() compares distributions, worked by hand", () => {
  // p = 1/4, 3/4 and q = 1/2, 1/2, each with an offset that must cancel.
  const p = Float32Array.of(7, 7 + Math.log(3));
  const q = Float32Array.of(-2, -2);
  assertAlmostEquals(
    klDivergence(p, q),
    0.25 * Math.log(0.5) + 0.75 * Math.log(1.5),
    1e-6,
  );
  assertAlmostEquals(
    klDivergence(q, p),
    0.5 * Math.log(2) + 0.5 * Math.log(2 / 3),
    1e-6,
  );
  assertEquals(klDivergence(p, p), 0);
  // Finite where one is certain.
  const sure = Float32Array.of(0, -1e4);
  assertAlmostEquals(klDivergence(sure, q), Math.log(2), 1e-12);
});

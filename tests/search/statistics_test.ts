import { assertEquals, assertThrows } from "@std/assert";
import type { Evaluation } from "../../search/evaluate.ts";
import { accuracyDifference, wilsonInterval } from "../../search/statistics.ts";
import { assertClose } from "../_compare.ts";
import { seededRandom } from "../_random.ts";

function fromAnswers(answers: boolean[]): Evaluation {
  const samples = answers.map((correct, index) => ({
    index,
    correct,
    loss: 1,
  }));
  return { samples, total: samples.length };
}

// scipy.stats.binomtest(k, n).proportion_ci(method="wilson"), SciPy 1.17.1
for (
  const [correct, total, low, high] of [
    [0, 10, 0.0, 0.27753279986288926],
    [1, 1, 0.20654931437723745, 1.0],
    [7, 10, 0.39677814746114526, 0.892208732593699],
    [250, 500, 0.4563412653024843, 0.5436587346975157],
    [497, 500, 0.9825097478959467, 0.9979574037280398],
    [500, 500, 0.9923756595384479, 1.0],
  ]
) {
  Deno.test(`\`wilsonInterval()\` agrees with SciPy on ${correct} of ${total}`, () => {
    const interval = wilsonInterval(correct, total);
    assertClose([interval.low, interval.high], [low, high], {
      absolute: 1e-12,
    });
  });
}

Deno.test("`wilsonInterval()` throws when a count is out of range", () => {
  for (const [correct, total] of [[0, 0], [-1, 5], [6, 5], [NaN, 5]]) {
    assertThrows(() => wilsonInterval(correct, total), RangeError);
  }
});

Deno.test("`accuracyDifference()` covers the true difference about 95 % of the time", () => {
  const random = seededRandom(3);
  const studies = 300;
  let covered = 0;
  for (let study = 0; study < studies; study++) {
    // Per sample: both right .6, only the first .06, only the second .14.
    const draws = Array.from({ length: 120 }, random);
    const { low, high } = accuracyDifference(
      fromAnswers(draws.map((u) => u < .66)),
      fromAnswers(draws.map((u) => u < .6 || u > .86)),
      { random, resamples: 200 },
    );
    if (low <= -8 && -8 <= high) covered++;
  }
  // 95 % ± 3 standard errors of 300 studies, and .5 % for few samples.
  assertClose([covered / studies], [.95], { absolute: .043 }, "coverage");
});

Deno.test("`accuracyDifference()` brackets the observed difference as the normal approximation does", () => {
  const first = Array.from({ length: 400 }, (_, i) => i % 10 !== 0);
  const second = first.map((right, i) => right || i % 20 === 0);
  const { difference, low, high } = accuracyDifference(
    fromAnswers(first),
    fromAnswers(second),
    { random: seededRandom(4), resamples: 4000 },
  );
  // 20 of 400 lost: −5 points; standard error √(.05 · .95 / 400).
  const half = 100 * 1.96 * Math.sqrt(.05 * .95 / 400);
  assertEquals(difference, -5);
  assertClose([low, high], [-5 - half, -5 + half], { absolute: .35 });
});

Deno.test("`accuracyDifference()` pairs by index and not by position", () => {
  const first = fromAnswers([true, false, true, false]);
  const second = { ...first, samples: first.samples.toReversed() };
  const options = { random: seededRandom(5), resamples: 100 };
  assertEquals(accuracyDifference(first, second, options), {
    difference: 0,
    low: 0,
    high: 0,
  });
});

Deno.test("`accuracyDifference()` throws when the evaluations do not pair up", () => {
  const random = seededRandom(6);
  const two = fromAnswers([true, false]);
  const three = fromAnswers([true, false, true]);
  const elsewhere = {
    samples: two.samples.map((s) => ({ ...s, index: s.index + 1 })),
    total: 2,
  };
  const empty = fromAnswers([]);
  const incomplete = { ...three, total: 4 };
  for (
    const [first, second] of [
      [two, three],
      [two, elsewhere],
      [empty, empty],
      [incomplete, incomplete],
    ]
  ) {
    assertThrows(
      () => accuracyDifference(first, second, { random }),
      RangeError,
      "Cannot compare accuracies",
    );
  }
  assertThrows(
    () => accuracyDifference(two, two, { random, resamples: 10 }),
    RangeError,
    "resamples",
  );
});

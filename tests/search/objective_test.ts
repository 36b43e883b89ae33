import { assertEquals, assertThrows } from "@std/assert";
import type { Evaluation } from "../../search/evaluate.ts";
import { meanScore, pairedDifference } from "../../search/objective.ts";
import { assertClose } from "../_compare.ts";

/** An evaluation with these probabilities of the right answer. */
function withProbabilities(...p: number[]): Evaluation {
  const samples = p.map((p, index) => ({
    index,
    correct: p > .5,
    loss: -Math.log(p),
  }));
  return { samples, total: p.length };
}

Deno.test("`meanScore()` averages what the objective names", () => {
  const evaluation = withProbabilities(.25, .5, 1, 1);
  assertClose(
    [
      meanScore("probability", evaluation),
      meanScore("loss", evaluation),
      meanScore("accuracy", evaluation),
    ],
    [.6875, -.75 * Math.log(2), .5],
    { relative: 1e-15 },
  );
});

Deno.test("`meanScore()` is the same to the last bit when samples come in another order", () => {
  const { samples, total } = withProbabilities(.1, .7, .33, .9, .05);
  const turned = { samples: samples.toReversed(), total };
  assertEquals(
    meanScore("loss", turned),
    meanScore("loss", { samples, total }),
  );
});

Deno.test("`pairedDifference()` pairs by index when worked by hand", () => {
  const before = withProbabilities(.2, .4, .6);
  const { samples, total } = withProbabilities(.3, .4, .9);
  const after = { samples: samples.toReversed(), total };
  // Gains .1, 0, .3: squares about their mean .0467, over 2 and 3.
  const { mean, standardError } = pairedDifference(
    "probability",
    before,
    after,
  );
  assertClose(
    [mean, standardError],
    [.4 / 3, Math.sqrt(.14 / 3 / 6)],
    { relative: 1e-12 },
  );
});

Deno.test("`pairedDifference()` is sure of nothing when there is one sample", () => {
  assertEquals(
    pairedDifference(
      "accuracy",
      withProbabilities(.1),
      withProbabilities(.9),
    ),
    { mean: 1, standardError: Infinity },
  );
});

Deno.test("objectives throw when evaluations are not complete, sound and of the same samples", () => {
  const whole = withProbabilities(.2, .4);
  const [first, second] = whole.samples;
  for (
    const wrong of [
      { samples: [first], total: 2 },
      { samples: [first, first], total: 2 },
      { samples: [], total: 0 },
    ]
  ) {
    assertThrows(() => meanScore("accuracy", wrong), RangeError, "every");
  }
  for (const loss of [-1, NaN, Infinity]) {
    const samples = [first, { ...second, loss }];
    assertThrows(
      () => meanScore("accuracy", { samples, total: 2 }),
      RangeError,
      "sample 1",
    );
  }
  const other = { samples: [first, { ...second, index: 7 }], total: 2 };
  for (const after of [other, withProbabilities(.1, .2, .3)]) {
    assertThrows(
      () => pairedDifference("loss", whole, after),
      RangeError,
      "same samples",
    );
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import {
  checkEpsilon,
  type Criterion,
  judge,
  leastEpsilon,
  meanDrop,
  type Verdict,
} from "../../search/criterion.ts";
import type { Evaluation, SampleResult } from "../../search/evaluate.ts";
import { assertClose } from "../_compare.ts";
import { randomInteger, seededRandom } from "../_random.ts";

const kinds = ["accuracy", "loss", "bound"] as const;

/** A complete evaluation with these losses, right where p > ½. */
function fromLosses(losses: number[]): Evaluation {
  const samples = losses.map((loss, index) => ({
    index,
    loss,
    correct: loss < Math.LN2,
  }));
  return { samples, total: samples.length };
}

/** A complete evaluation with the first `right` of `total` right. */
function withRight(right: number, total: number): Evaluation {
  return fromLosses(
    Array.from({ length: total }, (_, i) => i < right ? .1 : 2),
  );
}

function firstSamples(count: number, { samples, total }: Evaluation) {
  return { samples: samples.slice(0, count), total };
}

function shuffled(random: () => number, list: readonly SampleResult[]) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomInteger(random, 0, i);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

/** The verdict on complete data, written from the definitions alone. */
function definition(
  { kind, epsilon }: Criterion,
  full: number[],
  trial: number[],
): Verdict {
  const n = full.length;
  const mean = (values: number[]) =>
    values.reduce((a, b) => a + b, 0) / values.length;
  const right = (losses: number[]) =>
    losses.filter((loss) => loss < Math.LN2).length;
  let excess;
  if (kind === "accuracy") {
    excess = 100 * (right(full) - right(trial)) / n - epsilon;
  } else if (kind === "loss") {
    excess = mean(trial) - mean(full) - epsilon;
  } else {
    const drops = full.map((loss, i) => Math.exp(-loss) - Math.exp(-trial[i]));
    drops.push(1);
    const variance = mean(drops.map((d) => (d - mean(drops)) ** 2)) * (n + 1) /
      n;
    excess = 100 * (mean(drops) + 1.6448536 * Math.sqrt(variance / (n + 1))) -
      epsilon;
  }
  return excess <= 1e-6 ? "pass" : "fail";
}

Deno.test("`judge()` agrees with the definition on complete data, and on every part of it or leaves it open", () => {
  const random = seededRandom(1);
  const certain = { accuracy: 0, loss: 0, bound: 0 };
  const verdicts = { pass: 0, fail: 0 };
  for (let round = 0; round < 600; round++) {
    const n = randomInteger(random, 2, 40);
    const harm = random() < .5 ? .3 : 2;
    const full = Array.from({ length: n }, () => 2 * random() ** 3);
    const trial = full.map((loss) =>
      Math.max(0, loss + harm * (random() - .4) * (random() < .4 ? 1 : 0))
    );
    const fullEvaluation = fromLosses(full);
    const seen = shuffled(random, fromLosses(trial).samples);
    for (const kind of kinds) {
      const epsilon = { accuracy: 15, loss: .15, bound: 30 }[kind] * random();
      const criterion = { kind, epsilon };
      const expected = definition(criterion, full, trial);
      verdicts[expected]++;
      for (let count = 0; count <= n; count++) {
        const part = { samples: seen.slice(0, count), total: n };
        const verdict = judge(criterion, fullEvaluation, part);
        if (verdict === "open" && count < n) continue;
        assertEquals(verdict, expected, `${kind}, ${count} of ${n} samples`);
        if (count < n) certain[kind]++;
      }
    }
  }
  // Otherwise nothing was tested.
  for (const kind of kinds) assertEquals(certain[kind] > 200, true, kind);
  assertEquals(verdicts.pass > 200 && verdicts.fail > 200, true);
});

Deno.test("`judge()` passes a trial equal to the full model at the least ε, in any order", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 200; round++) {
    const n = randomInteger(random, 2, 60);
    const full = fromLosses(Array.from({ length: n }, () => 5 * random()));
    const trial = { samples: shuffled(random, full.samples), total: n };
    for (const kind of kinds) {
      const epsilon = leastEpsilon(kind, n);
      assertEquals(judge({ kind, epsilon }, full, trial), "pass", kind);
    }
  }
});

Deno.test("`judge()` allows a drop of exactly ε points, not one sample more", () => {
  for (const n of [10, 30, 200, 600, 700, 1000]) {
    for (let allowed = 0; allowed <= Math.min(n / 2, 60); allowed++) {
      const criterion = {
        kind: "accuracy",
        epsilon: 100 * allowed / n,
      } as const;
      const full = withRight(n - 1, n);
      const at = withRight(n - 1 - allowed, n);
      const below = withRight(n - 2 - allowed, n);
      assertEquals(judge(criterion, full, at), "pass", `${allowed} of ${n}`);
      assertEquals(judge(criterion, full, below), "fail", `${allowed} of ${n}`);
    }
  }
});

Deno.test("`judge()` passes by accuracy as soon as the unseen samples cannot matter", () => {
  const criterion = { kind: "accuracy", epsilon: 20 } as const;
  const full = withRight(10, 10);
  assertEquals(judge(criterion, full, firstSamples(7, full)), "open");
  assertEquals(judge(criterion, full, firstSamples(8, full)), "pass");
});

Deno.test("`judge()` fails by accuracy at the first sample too many", () => {
  const criterion = { kind: "accuracy", epsilon: 20 } as const;
  const full = withRight(10, 10);
  const trial = withRight(0, 10);
  assertEquals(judge(criterion, full, firstSamples(2, trial)), "open");
  assertEquals(judge(criterion, full, firstSamples(3, trial)), "fail");
});

Deno.test("`judge()` fails by loss when unseen losses of 0 could not make up", () => {
  const criterion = { kind: "loss", epsilon: .5 } as const;
  const full = fromLosses([1, 1, 1, 1]);
  // Rise so far 4.9, at best −3 to come: 1.9 in sum, below 4 · .5.
  assertEquals(
    judge(criterion, full, firstSamples(1, fromLosses([5.9, 0, 0, 0]))),
    "open",
  );
  assertEquals(
    judge(criterion, full, firstSamples(1, fromLosses([6.1, 0, 0, 0]))),
    "fail",
  );
});

Deno.test("`judge()` computes the hand-worked confidence bound", () => {
  // Drops of .2, .6 and, added, 1: mean .6, s = √.16, U = .6 + z · .4 / √3.
  const full = fromLosses([0, 0]);
  const trial = fromLosses([-Math.log(.8), -Math.log(.4)]);
  const bound = 100 * (.6 + 1.6448536269514722 * .4 / Math.sqrt(3));
  const judgeAt = (epsilon: number) =>
    judge({ kind: "bound", epsilon }, full, trial);
  assertEquals(judgeAt(bound + 1e-6), "pass");
  assertEquals(judgeAt(bound - 1e-6), "fail");
});

Deno.test("`judge()` does not take the spread of few seen samples for that of all", () => {
  // One drop of .5 in 1000 samples, and one of 1 added: U = .33 points. The
  // first two and the added one alone have s = .5, and U over 2 points.
  const losses = Array(1000).fill(0);
  const full = fromLosses(losses);
  const trial = fromLosses(losses.with(0, Math.LN2));
  const criterion = { kind: "bound", epsilon: .4 } as const;
  assertEquals(judge(criterion, full, firstSamples(2, trial)), "open");
  assertEquals(judge(criterion, full, trial), "pass");
});

Deno.test("`judge()` charges uncertainty by bound where the mean alone would pass", () => {
  const full = fromLosses(Array(400).fill(.7));
  const trial = fromLosses(
    Array.from({ length: 400 }, (_, i) => i % 2 ? 2 : .1),
  );
  const epsilon = 1;
  assertEquals(judge({ kind: "bound", epsilon }, full, full), "pass");
  assertEquals(meanDrop({ kind: "bound", epsilon }, full, trial) < 0, true);
  assertEquals(judge({ kind: "bound", epsilon }, full, trial), "fail");
});

Deno.test("`checkEpsilon()` tells how many samples an ε takes", () => {
  const criterion = { kind: "bound", epsilon: .5 } as const;
  checkEpsilon(criterion, 528);
  assertThrows(
    () => checkEpsilon(criterion, 527),
    RangeError,
    "Cannot search with epsilon 0.5 as 527 calibration samples can show no drop below 0.50 points: give 528 samples or a larger epsilon",
  );
  assertThrows(
    () => checkEpsilon({ ...criterion, epsilon: 0 }, 527),
    RangeError,
    "a larger epsilon",
  );
  assertThrows(
    () => checkEpsilon({ kind: "loss", epsilon: -1 }, 10),
    RangeError,
    "epsilon must be >= 0: current value is -1",
  );
  checkEpsilon({ kind: "accuracy", epsilon: 0 }, 1);
  checkEpsilon({ kind: "loss", epsilon: 0 }, 1);
});

Deno.test("`meanDrop()` is over the seen samples, in the unit of the criterion", () => {
  const full = fromLosses([0, .2, 9]);
  const trial = {
    samples: [...fromLosses([Math.LN2 + .1, .2, 0]).samples.slice(0, 2)],
    total: 3,
  };
  const drops = kinds.map((kind) =>
    meanDrop({ kind, epsilon: 0 }, full, trial)
  );
  assertClose(
    drops,
    [50, (Math.LN2 + .1) / 2, 50 * (1 - .5 * Math.exp(-.1))],
    { relative: 1e-12 },
  );
});

Deno.test("`judge()` throws when it cannot compare", () => {
  const full = withRight(3, 4);
  const criterion = { kind: "accuracy", epsilon: .5 } as const;
  const sample = full.samples[0];
  const of = (...samples: SampleResult[]) => ({ samples, total: 4 });
  const cases: [() => unknown, string][] = [
    [() => judge({ ...criterion, epsilon: -1 }, full, full), "epsilon"],
    [() => judge({ ...criterion, epsilon: NaN }, full, full), "epsilon"],
    [() => judge(criterion, firstSamples(3, full), full), "3 of 4 samples"],
    [() => judge(criterion, { samples: [], total: 0 }, full), "not empty"],
    [() => judge(criterion, full, of({ ...sample, index: 9 })), "0 of 1 pair"],
    [() => judge(criterion, full, of(sample, sample)), "1 of 2 pair up"],
    [
      () => {
        const twice = { samples: [sample, sample], total: 2 };
        judge(criterion, twice, twice);
      },
      "1 of 2 pair up",
    ],
    [() => judge(criterion, full, of({ ...sample, loss: -1 })), "sample 0"],
    [() => judge(criterion, full, of({ ...sample, loss: NaN })), "sample 0"],
  ];
  for (const [call, message] of cases) assertThrows(call, RangeError, message);
});

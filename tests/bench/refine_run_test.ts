import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromKeepCounts, meanKeepingRate } from "../../core/schedule.ts";
import {
  refine,
  type RefineOptions,
  type RefineTrial,
} from "../../bench/ablations/refine.ts";
import { type Call, evaluateByRates, lossWithoutNoise } from "../_rates.ts";
import { abortThirdCall, finish } from "../_search.ts";

/** Two plateaus, which no sigmoid has, with the tokens of `start`. */
const wanted = fromKeepCounts([144, 90, 90, 90, 30, 30, 30, 30], 144);
const start = fromKeepCounts([144, 100, 85, 70, 55, 40, 25, 15], 144);

const options: RefineOptions = {
  start,
  budget: { kind: "rate", limit: meanKeepingRate(start) },
  firstLayer: 1,
};

/** What most tests here evaluate by. */
const toy = { wanted, noise: .05 };

Deno.test("`refine()` finds most of what a schedule without a formula can gain, at the same cost", async () => {
  const { yielded, result } = await finish(
    refine(evaluateByRates({ wanted }), options),
  );
  assertEquals(result.trials, yielded);
  assertEquals(meanKeepingRate(result.schedule), meanKeepingRate(start));
  const before = lossWithoutNoise(wanted, start) - .1;
  const after = lossWithoutNoise(wanted, result.schedule) - .1;
  assert(after < .2 * before);
});

Deno.test("`refine()` keeps only moves that gain more than their standard error, and that is few where all are alike", async () => {
  const better = await finish(refine(evaluateByRates(toy), options));
  assert(
    lossWithoutNoise(wanted, better.result.schedule) <
      lossWithoutNoise(wanted, start),
  );
  // The distance from what is wanted does not count with a noise of 50.
  const alike = await finish(
    refine(evaluateByRates({ wanted, noise: 50 }), options),
  );
  for (const { yielded, result } of [better, alike]) {
    let { keep } = start;
    for (const { schedule, better, gain, standardError } of yielded) {
      assertEquals(better, gain > standardError);
      if (better) keep = schedule;
    }
    assertEquals(result.schedule.keep, keep);
  }
  // One in six is to be expected.
  const kept = alike.yielded.filter(({ better }) => better).length;
  assert(alike.yielded.length > 40);
  assert(kept > 0 && kept < alike.yielded.length / 4);
});

Deno.test("`refine()` yields the move, its gain, time and trials left", async () => {
  let milliseconds = 0;
  const search = refine(evaluateByRates({ wanted }), {
    ...options,
    objective: "loss",
    now: () => milliseconds += 250,
  });
  const trial = (await search.next()).value as RefineTrial;
  const { from, to, schedule, gain, better, ...others } = trial;
  // An eighth of 144 tokens is more than lies between neighbours, half of that
  // is not.
  assertEquals(
    schedule,
    start.keep.with(from, start.keep[from] - 9)
      .with(to, start.keep[to] + 9),
  );
  const loss = (keep: readonly number[]) =>
    lossWithoutNoise(wanted, fromKeepCounts(keep, 144));
  const expected = loss(start.keep) - loss(schedule);
  assert(Math.abs(gain - expected) < 1e-12);
  assertEquals(better, gain > 0);
  assertEquals(others.remaining, 59);
  assertEquals(others.seconds, .25);
});

Deno.test("`refine()` promises fixed layers where they equal the call before", async () => {
  const calls: Call[] = [];
  await finish(refine(evaluateByRates({ ...toy, calls }), options));
  assertEquals(calls[0], { keep: start.keep, options: { fixedLayers: 0 } });
  for (const [i, { keep, options }] of calls.entries()) {
    const before = calls[i - 1]?.keep ?? [];
    const common = keep.findIndex((count, layer) => count !== before[layer]);
    assertEquals(options, { fixedLayers: common });
  }
});

Deno.test("`refine()` resumed from any cut gives the identical result and repeats the best schedule alone", async () => {
  const whole = await finish(refine(evaluateByRates(toy), options));
  const trials = whole.yielded.length;
  assert(whole.yielded.some(({ better }) => better));
  for (let cut = 1; cut <= trials; cut += 7) {
    const recorded = JSON.parse(JSON.stringify(whole.yielded.slice(0, cut)));
    const calls: Call[] = [];
    const evaluate = evaluateByRates({ ...toy, calls });
    const resumed = await finish(refine(evaluate, { ...options, recorded }));
    assertEquals(resumed.result, whole.result);
    assertEquals(resumed.yielded, whole.yielded.slice(cut));
    assertEquals(calls.length, 1 + trials - cut);
  }
});

Deno.test("`refine()` rejects when a recorded trial is not what the search asks for", async () => {
  const { yielded } = await finish(refine(evaluateByRates(toy), options));
  for (const recorded of [yielded.slice(1), [...yielded, yielded[0]]]) {
    await assertRejects(
      () => finish(refine(evaluateByRates(toy), { ...options, recorded })),
      RangeError,
      "Cannot resume as recorded trial",
    );
  }
});

Deno.test("`refine()` rejects with the signal's reason when aborted, and hands the signal on", async () => {
  const trials = await abortThirdCall(
    (evaluate, signal) => refine(evaluate, { ...options, signal }),
    toy,
  );
  // The start and one move; the aborted evaluation is no trial.
  assertEquals(trials, 1);
});

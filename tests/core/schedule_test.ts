import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  fastvSchedule,
  fromKeepCounts,
  fromRates,
  fullSchedule,
  meanKeepingRate,
  scaleSchedule,
} from "../../core/schedule.ts";

Deno.test("`fromKeepCounts()` copies the counts", () => {
  const counts = [4, 4, 2, 0];
  const schedule = fromKeepCounts(counts, 4);
  counts[0] = 1;
  assertEquals(schedule, { visionTokens: 4, keep: [4, 4, 2, 0] });
});

for (
  const [why, keep, visionTokens, message] of [
    ["a count grows with depth", [4, 2, 3], 4, "layer 2 must be an integer in"],
    ["a count exceeds N", [5], 4, "in [0, 4]: current value is 5"],
    ["a count is negative", [4, -1], 4, "current value is -1"],
    ["a count is not an integer", [4, 1.5], 4, "current value is 1.5"],
    ["a count is NaN", [NaN], 4, "current value is NaN"],
    ["there is no layer", [], 4, "at least one layer"],
    ["N is not an integer", [1], 1.5, "visionTokens"],
    ["N is negative", [], -1, "visionTokens"],
  ] as const
) {
  Deno.test(`\`fromKeepCounts()\` throws when ${why}`, () => {
    assertThrows(() => fromKeepCounts(keep, visionTokens), RangeError, message);
  });
}

Deno.test("`fullSchedule()` keeps everything", () => {
  assertEquals(fullSchedule(3, 5), { visionTokens: 5, keep: [5, 5, 5] });
  assertThrows(() => fullSchedule(0, 5), RangeError, "layers");
  assertThrows(() => fullSchedule(1.5, 5), RangeError, "layers");
});

Deno.test("`fromRates()` rounds to the nearest count, of N and not of the survivors", () => {
  assertEquals(fromRates([1, .5, .5, .26, .24, 0], 10).keep, [
    ...[10, 5, 5, 3, 2, 0],
  ]);
});

Deno.test("`fromRates()` keeps at least minKeep", () => {
  assertEquals(fromRates([1, .2, 0], 10, { minKeep: 3 }).keep, [10, 3, 3]);
});

Deno.test("`fromRates()` throws when a rate or minKeep is out of range", () => {
  assertThrows(() => fromRates([1, 1.01], 10), RangeError, "layer 1");
  assertThrows(() => fromRates([-.01], 10), RangeError, "layer 0");
  assertThrows(() => fromRates([NaN], 10), RangeError, "layer 0");
  assertThrows(() => fromRates([1, .2, .5], 10), RangeError, "layer 2");
  for (const minKeep of [-1, 11, .5]) {
    assertThrows(() => fromRates([1], 10, { minKeep }), RangeError, "minKeep");
  }
});

Deno.test("`fastvSchedule()` reduces once, at layer K", () => {
  const options = { layers: 5, visionTokens: 10, layer: 2, keepRate: .5 };
  assertEquals(fastvSchedule(options).keep, [10, 10, 5, 5, 5]);
  assertEquals(fastvSchedule({ ...options, keepRate: 0 }).keep, [
    ...[10, 10, 0, 0, 0],
  ]);
});

Deno.test("`fastvSchedule()` throws when an option is out of range", () => {
  const options = { layers: 5, visionTokens: 10, layer: 2, keepRate: .5 };
  for (const layer of [0, 5, 1.5]) {
    assertThrows(() => fastvSchedule({ ...options, layer }), RangeError);
  }
  assertThrows(
    () => fastvSchedule({ ...options, keepRate: 2 }),
    RangeError,
    "keepRate",
  );
});

Deno.test("`meanKeepingRate()` is the mean of keep / N", () => {
  assertEquals(meanKeepingRate(fullSchedule(7, 9)), 1);
  assertEquals(meanKeepingRate(fromKeepCounts([8, 4, 2, 0], 8)), 14 / 32);
  assertEquals(meanKeepingRate(fromKeepCounts([0, 0], 0)), 1);
});

Deno.test("`scaleSchedule()` keeps the rates, of another number of tokens", () => {
  const schedule = fromKeepCounts([12, 9, 5, 2, 1], 12);
  assertEquals(scaleSchedule(schedule, 4), {
    visionTokens: 4,
    // 4, 3, 1.67, 0.67, 0.33
    keep: [4, 3, 2, 1, 0],
  });
  assertEquals(scaleSchedule(schedule, 24).keep, [24, 18, 10, 4, 2]);
  assertEquals(scaleSchedule(schedule, 0).keep, [0, 0, 0, 0, 0]);
  assertEquals(scaleSchedule(fullSchedule(3, 12), 7), fullSchedule(3, 7));
  assertEquals(scaleSchedule(fullSchedule(3, 0), 7), fullSchedule(3, 7));
});

Deno.test("`scaleSchedule()` gives the same schedule for the same number", () => {
  const schedule = fromKeepCounts([10, 7, 3, 3, 1], 10);
  assertEquals(scaleSchedule(schedule, 10), schedule);
});

Deno.test("`scaleSchedule()` gives a schedule whatever the numbers", () => {
  for (let N = 1; N <= 24; N++) {
    const steps = fromKeepCounts(Array.from({ length: N }, (_, i) => N - i), N);
    for (let other = 0; other <= 50; other++) {
      // Checks that they are integers, and fewer and fewer.
      const { keep } = scaleSchedule(steps, other);
      const exact = steps.keep.map((count) => count / N * other);
      const error = Math.max(...keep.map((k, i) => Math.abs(k - exact[i])));
      assert(error <= 0.5 + 1e-12, `${N} to ${other}`);
    }
  }
});

Deno.test("`scaleSchedule()` throws when the number is none of tokens", () => {
  for (const visionTokens of [-1, 1.5, NaN]) {
    assertThrows(
      () => scaleSchedule(fullSchedule(2, 4), visionTokens),
      RangeError,
      "visionTokens",
    );
  }
});

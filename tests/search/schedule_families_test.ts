import { assertEquals, assertThrows } from "@std/assert";
import { fromKeepCounts } from "../../core/schedule.ts";
import {
  constantFamily,
  rescaledFamily,
  rescaleSchedule,
  stagedFamily,
  vtwFamily,
  vtwLayer,
} from "../../search/schedule_families.ts";
import { type AttentionByRank, fitPruneFamily } from "../../search/fitprune.ts";

Deno.test("`stagedFamily()` gives PyramidDrop's counts when λ is a half", () => {
  const { keep } = stagedFamily({
    layers: 32,
    visionTokens: 575,
    stages: [8, 16, 24],
  }).at(.5);
  // 287.5, 143.75 and 71.875, truncated.
  const expected = [575, 287, 143, 71].flatMap((count) => Array(8).fill(count));
  assertEquals(keep, expected);
});

Deno.test("`stagedFamily()` takes several steps at once when stages fall on one layer", () => {
  const shape = { layers: 3, visionTokens: 100 };
  const { at } = stagedFamily({ ...shape, stages: [1, 1, 2] });
  assertEquals(at(.5).keep, [100, 25, 12]);
});

Deno.test("`vtwFamily()` drops all tokens at the layer, rounded down", () => {
  const { at, low, high } = vtwFamily(4, 9);
  assertEquals(at(low).keep, [9, 0, 0, 0]);
  assertEquals(at(2.99).keep, [9, 9, 0, 0]);
  assertEquals(at(high).keep, [9, 9, 9, 9]);
});

Deno.test("`vtwLayer()` is the first layer of little divergence, or the depth when there is none", () => {
  assertEquals(vtwLayer([.9, .02, .003, .004, 0]), 2);
  assertEquals(vtwLayer([.9, .02, .0031, .004, 0]), 4);
  assertEquals(vtwLayer([.9, .02], .1), 1);
  assertEquals(vtwLayer([.9, .02]), 2);
  assertThrows(() => vtwLayer([.1, NaN]), RangeError, "index 1");
});

Deno.test("`rescaleSchedule()` multiplies rates from the first layer on, up to 1", () => {
  const schedule = fromKeepCounts([10, 8, 5, 3, 0], 10);
  const rescaled = (factor: number) =>
    rescaleSchedule(schedule, { factor, firstLayer: 1 }).keep;
  assertEquals(rescaled(1), schedule.keep);
  assertEquals(rescaled(.5), [10, 4, 3, 2, 0]);
  assertEquals(rescaled(1.5), [10, 10, 8, 5, 0]);
  assertEquals(rescaled(0), [10, 0, 0, 0, 0]);
  assertThrows(() => rescaled(-1), RangeError, "keeping rate");

  const { at, high } = rescaledFamily(schedule, 1);
  assertEquals(at(high).keep, [10, 10, 10, 10, 0]);
});

Deno.test("`constantFamily()` is full before the first layer", () => {
  const { at } = constantFamily({ layers: 4, visionTokens: 9, firstLayer: 2 });
  assertEquals(at(.5).keep, [9, 9, 5, 5]);
});

/** Layers of 4 tokens; masses of a layer sum to 10. */
const attention: AttentionByRank = {
  cross: [[4, 3, 2, 1], [8, 1, 1, 0], [4, 3, 2, 1], [1, 0, 0, 0]],
  self: [[7, 1, 1, 1], [4, 4, 1, 1], [4, 3, 2, 1], [1, 0, 0, 0]],
};

Deno.test("`fitPruneFamily()` keeps the share of both kinds of attention when worked by hand", () => {
  const { at } = fitPruneFamily(attention);
  // Shares .9: layer 0 needs 3 and 3; layer 1 2 and 3; layer 2 3 and 3.
  assertEquals(at(.9).keep, [4, 3, 3, 3]);
  // Shares .7: layer 0 needs 2 and 1; layer 1 1 and 2; layer 2 2 and 2.
  assertEquals(at(.7).keep, [4, 2, 2, 2]);
  // Share .5: layer 2 needs 2, but only 1 … 2 are left.
  assertEquals(at(.5).keep, [4, 2, 2, 2]);
  assertEquals(at(.4).keep, [4, 1, 1, 1]);
  assertEquals(at(0).keep, [4, 0, 0, 0]);
});

Deno.test("`fitPruneFamily()` never keeps more than the layer before when a layer needs more", () => {
  const flat = [1, 1, 1, 1];
  const steep = [1, 0, 0, 0];
  const { at } = fitPruneFamily({
    cross: [steep, flat, flat],
    self: [steep, flat, flat],
  });
  assertEquals(at(.9).keep, [4, 1, 1]);
  assertEquals(at(1).keep, [4, 1, 1]);
});

Deno.test("`fitPruneFamily()` throws when attention is not sorted and of one shape", () => {
  const { cross, self } = attention;
  for (
    const wrong of [
      { cross: [], self: [] },
      { cross, self: self.slice(1) },
      { cross, self: [...self.slice(1), [1]] },
    ]
  ) {
    assertThrows(() => fitPruneFamily(wrong), TypeError, "shape [L][N]");
  }
  for (const masses of [[1, 2, 0, 0], [1, NaN, 0, 0], [1, 0, 0, -1]]) {
    const wrong = { cross, self: [...self.slice(1), masses] };
    assertThrows(() => fitPruneFamily(wrong), RangeError, "sorted");
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import { fromKeepCounts, fromRates } from "../../core/schedule.ts";
import { type Budget, costOf } from "../../search/budget.ts";
import {
  fitSigmoid,
  sigmoidSchedule,
  solveSigmoid,
} from "../../search/sigmoid.ts";
import { assertClose } from "../_compare.ts";
import { gSearchRates } from "../_published.ts";
import { randomInteger, seededRandom } from "../_random.ts";

Deno.test("`sigmoidSchedule()` is the formula when worked by hand", () => {
  // From layer 1 on .8 / (1 + exp(log 3 · (i − 2))): .8 · ¾, ½, ¼, ⅒.
  const sigmoid = { k: .8, a: Math.log(3), b: 2 };
  const shape = { layers: 5, visionTokens: 100, firstLayer: 1 };
  assertEquals(sigmoidSchedule(sigmoid, shape).keep, [100, 60, 40, 20, 8]);
  // k / (1 + …) may exceed 1, rates may not.
  const large = { ...sigmoid, k: 1.6 };
  assertEquals(sigmoidSchedule(large, shape).keep, [100, 100, 80, 40, 16]);
});

Deno.test("`sigmoidSchedule()` is all or nothing when exponents overflow", () => {
  const shape = { layers: 4, visionTokens: 10 };
  for (const [b, last] of [[1e300, 5], [-1e300, 0]]) {
    const sigmoid = { k: .5, a: 1e10, b };
    assertEquals(sigmoidSchedule(sigmoid, shape).keep, [10, 10, 10, last]);
  }
});

Deno.test("`solveSigmoid()` meets any budget from below within one token per layer", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 300; round++) {
    const layers = randomInteger(random, 2, 40);
    const visionTokens = randomInteger(random, 1, 1500);
    const firstLayer = randomInteger(random, 1, Math.min(4, layers - 1));
    const model = {
      layers,
      width: 64,
      kvWidth: 32,
      mlpWidth: 160,
      vocabulary: 100,
      visionFlops: 1e6,
    };
    const kinds: Budget[] = [
      { kind: "rate", limit: 0 },
      { kind: "flops", limit: 0, model, textTokens: 20 },
      { kind: "kv", limit: 0, model, textTokens: 20, bytesPerElement: 2 },
    ];
    const shape = { layers, visionTokens, firstLayer };
    // What a larger sigmoid costs, so that some b meets the budget.
    const form = { k: .2 + .8 * random(), a: .05 * 40 ** random() };
    const b = randomInteger(random, -2, layers);
    const larger = sigmoidSchedule({ ...form, b }, shape);
    for (const kind of kinds) {
      const budget = { ...kind, limit: costOf(larger, kind) };
      const { schedule, sigmoid } = solveSigmoid(form, { ...shape, budget });
      const label = `round ${round}, ${kind.kind}`;
      assertEquals(sigmoidSchedule(sigmoid, shape), schedule, label);
      // It is exactly that one, as no other member costs as much.
      assertEquals(schedule, larger, label);

      const tighter = { ...kind, limit: .97 * budget.limit };
      const least = solveLeast(form, { ...shape, budget: tighter });
      if (least === null) continue;
      const { keep } = least;
      const more = fromKeepCounts(
        keep.map((c, i) => i < firstLayer ? c : Math.min(c + 1, visionTokens)),
        visionTokens,
      );
      assertEquals(costOf(least, tighter) <= tighter.limit, true, label);
      assertEquals(costOf(more, tighter) > tighter.limit, true, label);
    }
  }
});

/** The schedule within the budget; null where there is none. */
function solveLeast(...args: Parameters<typeof solveSigmoid>) {
  try {
    return solveSigmoid(...args).schedule;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

Deno.test("`solveSigmoid()` gives the constant rate k when that costs less than the budget", () => {
  const budget = { kind: "rate", limit: .9 } as const;
  const shape = { layers: 6, visionTokens: 20, firstLayer: 2 };
  const { schedule } = solveSigmoid({ k: .3, a: .05 }, { ...shape, budget });
  assertEquals(schedule.keep, [20, 20, 6, 6, 6, 6]);
});

Deno.test("`fitSigmoid()` finds the published sigmoid of LLaVA-1.5-7B from G-Search's rates", () => {
  const schedule = fromRates([1, 1, 1, ...gSearchRates], 576);
  const { sigmoid: { k, a, b }, rmse } = fitSigmoid(schedule, 3);
  // The paper's curve, read off its figure.
  assertClose([k, a], [.754, .222], { absolute: .0015 });
  assertClose([b], [12.25], { absolute: .03 });
  // scipy 1.17.1, least_squares with all tolerances 1e-15, on the same counts.
  assertClose(
    [k, a, b, rmse],
    [.7534158006, .2231684904, 12.2761206731, .0396264222],
    { relative: 1e-7 },
  );
});

Deno.test("`fitSigmoid()` gives back a sigmoid when the schedule is one", () => {
  const shape = { layers: 24, visionTokens: 1e9, firstLayer: 2 };
  for (const k of [.3, .7, 1]) {
    for (const a of [.06, .3, 1.7]) {
      for (const b of [4, 11.3, 20]) {
        const schedule = sigmoidSchedule({ k, a, b }, shape);
        const { sigmoid, rmse } = fitSigmoid(schedule, 2);
        assertClose([rmse], [0], { absolute: 1e-5 }, `${k} ${a} ${b}`);
        // Flat sigmoids trade k for b, hence the tolerance.
        assertClose(
          [sigmoid.k, sigmoid.a, sigmoid.b],
          [k, a, b],
          { relative: 1e-2 },
          `${k} ${a} ${b}`,
        );
      }
    }
  }
});

Deno.test("sigmoids throw when k, a or the layers are impossible", () => {
  const shape = { layers: 4, visionTokens: 10 };
  for (const form of [{ k: 0, a: 1 }, { k: 1, a: 0 }, { k: NaN, a: 1 }]) {
    assertThrows(
      () => sigmoidSchedule({ ...form, b: 2 }, shape),
      RangeError,
      "must be positive",
    );
  }
  assertThrows(
    () => sigmoidSchedule({ k: 1, a: 1, b: 2 }, { ...shape, firstLayer: 4 }),
    RangeError,
    "firstLayer must be an integer in [1, 3]",
  );
  const schedule = fromKeepCounts([10, 5], 10);
  assertThrows(() => fitSigmoid(schedule, 2), RangeError, "firstLayer");
});

import { assertEquals, assertThrows } from "@std/assert";
import { fromKeepCounts, fullSchedule } from "../../core/schedule.ts";
import { type Budget, costOf, solveBudget } from "../../search/budget.ts";
import {
  kvCacheBytes,
  prefillFlops,
  publishedModels,
} from "../../search/cost.ts";
import { constantFamily, vtwFamily } from "../../search/schedule_families.ts";

const model = publishedModels["LLaVA-1.5-7B"];

Deno.test("`costOf()` is the cost that the budget names", () => {
  const layers = 32;
  const schedule = fullSchedule(layers, 576);
  const half = fromKeepCounts([4, 2], 4);
  assertEquals(costOf(half, { kind: "rate", limit: 0 }), .75);
  assertEquals(
    costOf(schedule, { kind: "flops", limit: 0, model, textTokens: 72 }),
    prefillFlops(model, schedule, 72),
  );
  const kv = { textTokens: 72, bytesPerElement: 2 };
  assertEquals(
    costOf(schedule, { kind: "kv", limit: 0, model, ...kv }),
    kvCacheBytes(model, schedule, kv),
  );
});

Deno.test("`solveBudget()` takes the largest counts within the limit when worked by hand", () => {
  const family = constantFamily({ layers: 4, visionTokens: 10, firstLayer: 1 });
  const keepAt = (limit: number) =>
    solveBudget(family, { kind: "rate", limit }).schedule.keep;
  // 10 + 3c of 40 tokens.
  assertEquals(keepAt(.55), [10, 4, 4, 4]);
  assertEquals(keepAt(.549), [10, 3, 3, 3]);
  assertEquals(keepAt(.25), [10, 0, 0, 0]);
  assertEquals(keepAt(1), [10, 10, 10, 10]);
  assertEquals(keepAt(7), [10, 10, 10, 10]);
});

Deno.test("`solveBudget()` takes the largest step within the limit when a family has plateaus", () => {
  const family = vtwFamily(4, 10);
  const keepAt = (limit: number) =>
    solveBudget(family, { kind: "rate", limit }).schedule.keep;
  assertEquals(keepAt(.5), [10, 10, 0, 0]);
  assertEquals(keepAt(.74), [10, 10, 0, 0]);
  assertEquals(keepAt(.75), [10, 10, 10, 0]);
  assertEquals(keepAt(1), [10, 10, 10, 10]);
});

Deno.test("`solveBudget()` takes the largest schedule when that alone is the last step", () => {
  // No halving of [0, ⅓] rounds to ⅓, whose last bit is odd.
  const high = 1 / 3;
  const at = (t: number) => fromKeepCounts([2, t === high ? 2 : 0], 2);
  const budget = { kind: "rate", limit: 1 } as const;
  const { t, schedule } = solveBudget({ low: 0, high, at }, budget);
  assertEquals(t, high);
  assertEquals(schedule.keep, [2, 2]);
});

Deno.test("`solveBudget()` meets every kind of budget of LLaVA-1.5-7B to within one token per layer", () => {
  const shape = { layers: 32, visionTokens: 576 };
  const kv = { model, textTokens: 72, bytesPerElement: 2 };
  const budgets: Budget[] = [
    { kind: "rate", limit: .34 },
    { kind: "flops", limit: 3.95e12, model, textTokens: 72 },
    { kind: "kv", ...kv, limit: 2e8 },
  ];
  for (const budget of budgets) {
    const { schedule } = solveBudget(constantFamily(shape), budget);
    const more = fromKeepCounts(
      schedule.keep.map((count, layer) => layer < 3 ? count : count + 1),
      576,
    );
    assertEquals(costOf(schedule, budget) <= budget.limit, true, budget.kind);
    assertEquals(costOf(more, budget) > budget.limit, true, budget.kind);
  }
});

Deno.test("`solveBudget()` throws, naming the least budget, when full first layers cost more", () => {
  const family = constantFamily({ layers: 8, visionTokens: 10, firstLayer: 2 });
  for (const limit of [.249, 0, NaN]) {
    assertThrows(
      () => solveBudget(family, { kind: "rate", limit }),
      RangeError,
      `at least 0.25, what the least schedule costs: current value is ${limit}`,
    );
  }
});

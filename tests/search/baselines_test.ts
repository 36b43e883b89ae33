import { assertEquals, assertThrows } from "@std/assert";
import {
  fromKeepCounts,
  fromRates,
  meanKeepingRate,
} from "../../core/schedule.ts";
import {
  BASELINE_METHODS,
  type BaselineOptions,
  baselines,
} from "../../search/baselines.ts";
import { type Budget, costOf } from "../../search/budget.ts";
import { publishedModels } from "../../search/cost.ts";
import { gSearchRates } from "../_published.ts";

const model = publishedModels["LLaVA-1.5-7B"];
const { layers, visionTokens, textTokens } = model;
const gSearch = fromRates([1, 1, 1, ...gSearchRates], visionTokens);

/** Attention that falls off with rank, and the faster the deeper the layer. */
const byRank = Array.from(
  { length: layers },
  (_, layer) =>
    Array.from(
      { length: visionTokens },
      (_, rank) => Math.exp(-rank * (1 + layer) / visionTokens),
    ),
);

/** All methods of LLaVA-1.5-7B at a mean keeping rate. */
function atRate(limit: number, others: Partial<BaselineOptions> = {}) {
  return baselines({
    layers,
    visionTokens,
    budget: { kind: "rate", limit },
    ...others,
  });
}

Deno.test("`baselines()` gives each method its own ranking and positions", () => {
  const { contenders, leftOut } = atRate(.4, {
    attention: { cross: byRank, self: byRank },
    gSearch,
    pSigmoid: gSearch,
  });
  assertEquals(
    contenders.map(({ name, ranking, positions }) =>
      `${name}: ${ranking}, ${positions}`
    ),
    [
      "FastV K=2: last, original",
      "PyramidDrop: next, reindexed",
      "VTW: instruction, original",
      "FitPrune: self_cross, original",
      "SparseVLM: raters, reindexed",
      "G-Search, rescaled: instruction, original",
      "constant rate: instruction, original",
      "constant rate, random: random, original",
      "constant rate, uniform: uniform, original",
      "P-Sigmoid, random: random, original",
      "P-Sigmoid, uniform: uniform, original",
    ],
  );
  assertEquals(leftOut, []);
});

Deno.test("`baselines()` ranks controls and rescaled schedules as told, and published methods by their own rule", () => {
  const { contenders } = atRate(.4, {
    gSearch,
    pSigmoid: gSearch,
    ranking: "raters",
    positions: "reindexed",
  });
  const rules = new Map(
    contenders.map(({ name, ranking, positions }) => [
      name,
      `${ranking}, ${positions}`,
    ]),
  );
  assertEquals(rules.get("FastV K=2"), "last, original");
  assertEquals(rules.get("G-Search, rescaled"), "raters, reindexed");
  assertEquals(rules.get("constant rate"), "raters, reindexed");
  assertEquals(rules.get("constant rate, uniform"), "uniform, reindexed");
  assertEquals(rules.get("P-Sigmoid, random"), "random, reindexed");
});

Deno.test("`baselines()` knows every method, in the order of `BASELINE_METHODS`", () => {
  const { contenders } = atRate(.4, {
    attention: { cross: byRank, self: byRank },
    gSearch,
    pSigmoid: gSearch,
  });
  const methods = new Set(contenders.map(({ method }) => method));
  assertEquals([...methods], [...BASELINE_METHODS]);
});

Deno.test("`baselines()` gives each method its published schedule when that is the budget", () => {
  const keepOf = (name: string, limit: number) =>
    atRate(limit, { gSearch }).contenders
      .find((contender) => contender.name === name)!.schedule.keep;
  const stages = (...counts: [number, number][]) =>
    counts.flatMap(([length, count]) => Array(length).fill(count));

  assertEquals(keepOf("FastV K=2", .53125), stages([2, 576], [30, 288]));
  assertEquals(
    keepOf("PyramidDrop", .46875),
    stages([8, 576], [8, 288], [8, 144], [8, 72]),
  );
  assertEquals(keepOf("VTW", .5), stages([16, 576], [16, 0]));
  assertEquals(
    keepOf("G-Search, rescaled", meanKeepingRate(gSearch)),
    gSearch.keep,
  );
});

Deno.test("`baselines()` reduces SparseVLM after the layers 2, 6 and 15 of 32", () => {
  const { contenders } = atRate(.3);
  const { keep } = contenders.find(({ name }) => name === "SparseVLM")!
    .schedule;
  const falls = keep.flatMap((count, i) =>
    i > 0 && count < keep[i - 1] ? i : []
  );
  assertEquals(falls, [3, 7, 16]);
});

Deno.test("`baselines()` meets every budget from below within a token per layer but for VTW's whole layers", () => {
  const kv = { model, textTokens, bytesPerElement: 2 };
  const budgets: Budget[] = [
    ...[.4, .27, .17, .115].map((limit) => ({ kind: "rate", limit }) as const),
    { kind: "flops", model, textTokens, limit: 3.3e12 },
    { kind: "kv", ...kv, limit: 1e8 },
  ];
  for (const budget of budgets) {
    const { contenders } = baselines({
      layers,
      visionTokens,
      budget,
      attention: { cross: byRank, self: byRank },
      gSearch,
    });
    for (const { name, schedule } of contenders) {
      const label = `${name}, ${budget.kind} ${budget.limit}`;
      const { keep } = schedule;
      assertEquals(costOf(schedule, budget) <= budget.limit, true, label);
      const more = name === "VTW"
        ? keep.with(keep.indexOf(0), visionTokens)
        : keep.map((count) => Math.min(count + 1, visionTokens));
      const larger = fromKeepCounts(more, visionTokens);
      assertEquals(costOf(larger, budget) > budget.limit, true, label);
    }
  }
});

Deno.test("`baselines()` gives FastV K=1 when two full layers cost too much, and names who cannot meet the budget", () => {
  const { contenders, leftOut } = baselines({
    layers: 8,
    visionTokens: 144,
    firstLayer: 1,
    budget: { kind: "rate", limit: .17 },
  });
  assertEquals(contenders[0].name, "FastV K=1");
  // 144 · 8 · .17 = 195.84: 51 tokens for 7 layers.
  assertEquals(contenders[0].schedule.keep, [144, 7, 7, 7, 7, 7, 7, 7]);
  assertEquals(leftOut, [
    { method: "pyramiddrop", name: "PyramidDrop", leastCost: .25 },
  ]);
});

Deno.test("`baselines()` leaves out all methods when one full layer costs too much", () => {
  const { contenders, leftOut } = baselines({
    layers: 8,
    visionTokens: 144,
    firstLayer: 1,
    budget: { kind: "rate", limit: .115 },
  });
  assertEquals(contenders, []);
  assertEquals(leftOut.map(({ leastCost }) => leastCost), [
    ...[.125, .25, .125, .125, .125, .125, .125],
  ]);
});

Deno.test("`baselines()` throws when the shape is impossible", () => {
  assertThrows(() => atRate(.4, { firstLayer: 32 }), RangeError, "firstLayer");
  const other = fromRates(Array(32).fill(1), 6);
  const six = Array(32).fill([6, 5, 4, 3, 2, 1]);
  const cases: [Partial<BaselineOptions>, string][] = [
    [{ gSearch: other }, "gSearch must be of 32 layers and 576 vision tokens"],
    [{ pSigmoid: other }, "pSigmoid must be of 32 layers"],
    [{ attention: { cross: six, self: six } }, "current shape is [32,6]"],
  ];
  for (const [options, message] of cases) {
    assertThrows(() => atRate(.4, options), TypeError, message);
  }
});

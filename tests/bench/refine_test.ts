import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromKeepCounts, type Schedule } from "../../core/schedule.ts";
import { type Budget, costOf } from "../../search/budget.ts";
import {
  askRefine,
  initRefine,
  type RefineSpace,
  type RefineState,
  tellRefine,
} from "../../bench/ablations/refine.ts";
import { randomInteger, seededRandom } from "../_random.ts";

type Loss = (keep: readonly number[]) => number;

/** Refines to the end, and keeps what has less loss. */
function refineBy(loss: Loss, start: RefineState): RefineState[] {
  const states = [start];
  let state = start;
  for (let move = askRefine(state); move !== null; move = askRefine(state)) {
    const better = loss(move.schedule.keep) < loss(state.best.keep);
    state = tellRefine(state, better);
    states.push(state);
  }
  return states;
}

/** Squared distance from wanted counts. */
function distanceTo(wanted: readonly number[]): Loss {
  return (keep) =>
    keep.reduce((sum, count, i) => sum + (count - wanted[i]) ** 2, 0);
}

/** A schedule of random counts, and the budget that it spends. */
function randomSpace(random: () => number, reduced: number): RefineSpace {
  const visionTokens = randomInteger(random, 1, 40);
  const firstLayer = randomInteger(random, 1, 3);
  const counts = Array.from(
    { length: reduced },
    () => randomInteger(random, 0, visionTokens),
  );
  const full = Array(firstLayer).fill(visionTokens);
  const start = fromKeepCounts(
    [...full, ...counts.sort((a, b) => b - a)],
    visionTokens,
  );
  const rate: Budget = { kind: "rate", limit: 0 };
  return {
    start,
    budget: { ...rate, limit: costOf(start, rate) },
    firstLayer,
    evaluations: 1000,
    seed: randomInteger(random, 0, 1000),
  };
}

Deno.test("refinement moves tokens to where they are wanted when worked by hand", () => {
  const start = fromKeepCounts([16, 8, 4, 0], 16);
  const budget = { kind: "rate", limit: 28 / 64 } as const;
  const states = refineBy(
    distanceTo([16, 6, 3, 3]),
    initRefine({ start, budget, firstLayer: 1, evaluations: 1000 }),
  );
  assertEquals(states[0].step, 2);
  assertEquals(states.at(-1)!.best.keep, [16, 6, 3, 3]);
  assertEquals(states.at(-1)!.step, 0);
});

Deno.test("refinement keeps what every layer before the first and all layers together keep, and tries no schedule twice", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 100; round++) {
    const space = {
      ...randomSpace(random, randomInteger(random, 2, 6)),
      evaluations: 100,
    };
    const { start, firstLayer } = space;
    const sum = (keep: readonly number[]) => keep.reduce((a, b) => a + b);
    const states = refineBy(() => random(), initRefine(space));
    const { tried } = states.at(-1)!;
    assertEquals(new Set(tried.map(String)).size, tried.length);
    for (const keep of tried) {
      assertEquals(keep.slice(0, firstLayer), start.keep.slice(0, firstLayer));
      assertEquals(sum(keep), sum(start.keep));
      fromKeepCounts(keep, start.visionTokens);
    }
  }
});

Deno.test("refinement ends where no move of one token helps when there are three layers to reduce", () => {
  const random = seededRandom(4);
  for (let round = 0; round < 100; round++) {
    const space = randomSpace(random, 3);
    const { firstLayer = 3, start: { visionTokens, keep: { length } } } = space;
    const wanted = randomSpace(random, 3).start.keep;
    const loss: Loss = (keep) =>
      distanceTo(wanted.slice(-3))(keep.slice(firstLayer));
    const { best } = refineBy(loss, initRefine(space)).at(-1)!;
    for (let from = firstLayer; from < length; from++) {
      for (let to = firstLayer; to < length; to++) {
        const keep = [...best.keep];
        keep[from]--;
        keep[to]++;
        if (!isSchedule(keep, visionTokens)) continue;
        assert(loss(keep) >= loss(best.keep), `round ${round}`);
      }
    }
  }
});

function isSchedule(keep: readonly number[], visionTokens: number): boolean {
  return keep.every((count, i) =>
    count >= 0 && count <= (keep[i - 1] ?? visionTokens)
  );
}

Deno.test("refinement stays within a budget of FLOPs by giving fewer tokens than it takes", () => {
  const model = {
    layers: 6,
    width: 8,
    kvWidth: 8,
    mlpWidth: 8,
    vocabulary: 10,
    visionFlops: 0,
  };
  const start = fromKeepCounts([100, 60, 50, 40, 30, 20], 100);
  const flops: Budget = { kind: "flops", limit: 0, model, textTokens: 5 };
  const budget = { ...flops, limit: costOf(start, flops) };
  const states = refineBy(
    distanceTo([100, 100, 100, 0, 0, 0]),
    initRefine({ start, budget, firstLayer: 1, evaluations: 1000 }),
  );
  const kept = ({ keep }: Schedule) => keep.reduce((a, b) => a + b);
  const { best, tried } = states.at(-1)!;
  for (const keep of tried) {
    assert(costOf(fromKeepCounts(keep, 100), budget) <= budget.limit);
  }
  assert(best.keep[1] > 60 && best.keep[5] < 20);
  assert(kept(best) < kept(start));
});

Deno.test("refinement ends the same when every state goes through JSON, and evaluates no more than it may", () => {
  const random = seededRandom(5);
  const space = { ...randomSpace(random, 6), evaluations: 20 };
  const loss = distanceTo(Array(9).fill(0));
  const states = refineBy(loss, initRefine(space));
  assertEquals(states.length, 1 + 20);
  for (const state of states) {
    const resumed = refineBy(loss, JSON.parse(JSON.stringify(state)));
    assertEquals(resumed.at(-1), states.at(-1));
  }
  const none = initRefine({ ...space, evaluations: 0 });
  assertEquals(askRefine(none), null);
  assertThrows(() => tellRefine(none, true), RangeError, "done");
});

Deno.test("refinement throws when the start costs too much or a number is impossible", () => {
  const start = fromKeepCounts([4, 4, 2, 2], 4);
  const space = { start, budget: { kind: "rate", limit: .75 } } as const;
  initRefine(space);
  const wrong: [Partial<RefineSpace>, string][] = [
    [{ budget: { kind: "rate", limit: .74 } }, "current cost is 0.75"],
    [{ firstLayer: 4 }, "firstLayer must be an integer in [1, 3]"],
    [{ evaluations: -1 }, "evaluations must be an integer"],
    [{ seed: .5 }, "seed must be an integer"],
  ];
  for (const [others, message] of wrong) {
    assertThrows(
      () => initRefine({ ...space, ...others }),
      RangeError,
      message,
    );
  }
});

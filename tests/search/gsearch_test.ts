import { assertEquals, assertThrows } from "@std/assert";
import {
  askGSearch,
  bestSchedule,
  type GSearchSpace,
  type GSearchState,
  initGSearch,
  remainingTrials,
  tellGSearch,
} from "../../search/gsearch.ts";
import { randomInteger, seededRandom } from "../_random.ts";

type Oracle = (keep: readonly number[]) => boolean;

/** Runs the pure search to its end, through JSON at every step. */
function solve(space: GSearchSpace, feasible: Oracle): GSearchState[] {
  let state = initGSearch(space);
  const states = [state];
  for (
    let proposal = askGSearch(state);
    proposal !== null;
    proposal = askGSearch(state)
  ) {
    const verdict = feasible(proposal.schedule.keep) ? "pass" : "fail";
    state = JSON.parse(JSON.stringify(tellGSearch(state, verdict)));
    states.push(state);
  }
  return states;
}

/** docs/method.md, "G-Search", line by line: each layer's least feasible count. */
function exhaustive(
  { layers, visionTokens, firstLayer = 3, minKeep = 0 }: GSearchSpace,
  feasible: Oracle,
): number[] {
  const keep: number[] = Array(layers).fill(visionTokens);
  for (let i = firstLayer; i < layers; i++) {
    const most = keep[i - 1];
    for (let count = minKeep; count <= most; count++) {
      keep.fill(count, i);
      if (count === most || feasible(keep)) break;
    }
  }
  return keep;
}

function randomSpace(random: () => number) {
  const layers = randomInteger(random, 2, 7);
  const visionTokens = randomInteger(random, 0, 40);
  return {
    layers,
    visionTokens,
    firstLayer: randomInteger(random, 1, layers - 1),
    minKeep: randomInteger(random, 0, Math.min(visionTokens, 5)),
  };
}

Deno.test("G-Search finds the exhaustive optimum when feasibility is monotone", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 400; round++) {
    const space = randomSpace(random);
    // A weighted total must reach a threshold: monotone, with trade-offs
    // between layers; half of the time each layer has a need of its own too.
    const weights = Array.from({ length: space.layers }, random);
    const full = weights.reduce((a, b) => a + b) * space.visionTokens;
    const threshold = full * random();
    const needs = weights.map(() =>
      round % 2 * randomInteger(random, 0, space.visionTokens)
    );
    const feasible: Oracle = (keep) =>
      keep.reduce((sum, k, i) => sum + k * weights[i], 0) >= threshold &&
      keep.every((k, i) => k >= needs[i]);
    const states = solve(space, feasible);
    assertEquals(
      bestSchedule(states.at(-1)!).keep,
      exhaustive(space, feasible),
      `round ${round}`,
    );
  }
});

Deno.test("G-Search needs at most ⌈log₂(range + 1)⌉ trials per layer", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 200; round++) {
    const space = randomSpace(random);
    const needs = Array.from(
      { length: space.layers },
      () => randomInteger(random, 0, space.visionTokens),
    ).sort((a, b) => b - a);
    const states = solve(space, (keep) => keep.every((k, i) => k >= needs[i]));
    const { keep } = bestSchedule(states.at(-1)!);
    let most = 0;
    for (let i = space.firstLayer; i < space.layers; i++) {
      most += Math.ceil(Math.log2(keep[i - 1] - space.minKeep + 1));
    }
    const trials = states.length - 1;
    assertEquals(trials <= most, true, `${trials} trials, at most ${most}`);
  }
});

Deno.test("G-Search ends at a schedule that passed, and `remainingTrials()` bounds and falls, when verdicts are random", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 300; round++) {
    const space = randomSpace(random);
    let lastPassed = Array(space.layers).fill(space.visionTokens);
    const states = solve(space, (keep) => {
      const pass = random() < .5;
      if (pass) lastPassed = [...keep];
      return pass;
    });
    assertEquals(bestSchedule(states.at(-1)!).keep, lastPassed);
    for (const [told, state] of states.entries()) {
      const remaining = remainingTrials(state);
      const actual = states.length - 1 - told;
      assertEquals(remaining >= actual, true, "bounds");
      if (told > 0) {
        assertEquals(remaining < remainingTrials(states[told - 1]), true);
      }
    }
    assertEquals(remainingTrials(states.at(-1)!), 0);
  }
});

Deno.test("G-Search never proposes what is known: neither the inherited count nor a repeat", () => {
  const seen = new Set<string>();
  solve({ layers: 6, visionTokens: 30, firstLayer: 1 }, (keep) => {
    assertEquals(seen.has(String(keep)), false, String(keep));
    seen.add(String(keep));
    assertEquals(keep.every((k) => k === 30), false);
    return keep.reduce((a, b) => a + b) > 90;
  });
});

Deno.test("`initGSearch()` leaves three layers unreduced by default and minKeep tokens in the rest", () => {
  const space = { layers: 5, visionTokens: 9, minKeep: 2 };
  const state = solve(space, () => true).at(-1)!;
  assertEquals(bestSchedule(state).keep, [9, 9, 9, 2, 2]);
});

Deno.test("`initGSearch()` throws when the space is out of range", () => {
  const space = { layers: 5, visionTokens: 9 };
  for (
    const wrong of [
      { layers: 1 },
      { layers: 3 }, // firstLayer is 3
      { visionTokens: -1 },
      { firstLayer: 0 },
      { firstLayer: 5 },
      { minKeep: 10 },
      { minKeep: .5 },
    ]
  ) {
    assertThrows(() => initGSearch({ ...space, ...wrong }), RangeError);
  }
});

Deno.test("`tellGSearch()` throws when the search is done", () => {
  const done = initGSearch({ layers: 5, visionTokens: 0 });
  assertEquals(askGSearch(done), null);
  assertThrows(() => tellGSearch(done, "pass"), RangeError, "done");
});

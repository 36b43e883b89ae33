import { assert, assertEquals } from "@std/assert";
import {
  bestObserved,
  bestPoint,
  createPrng,
  drawNormal,
  type Parameter,
  posteriorAt,
  posteriorGrid,
  regretBound,
} from "../../optim/mod.ts";

import { bowl, optimise, SQUARE, start } from "../_bayes.ts";

Deno.test("`regretBound()` falls, and is above the regret", () => {
  for (let seed = 0; seed < 10; seed++) {
    const early = optimise(start({ seed }), bowl, 6);
    const late = optimise(early, bowl, 15);
    assert(regretBound(late) < 0.25 * regretBound(early));
    for (const state of [early, late]) {
      assert(regretBound(state) >= bestObserved(state)!.value!);
    }
  }
});

Deno.test("`bestPoint()` sees through noise better than `bestObserved()`", () => {
  let [expectedError, observedError] = [0, 0];
  let [expectedRegret, observedRegret] = [0, 0];
  for (let seed = 0; seed < 10; seed++) {
    const random = createPrng(seed);
    const state = optimise(
      start({ seed, startingPoints: 10 }),
      (point) => bowl(point) + 0.3 * drawNormal(random),
      30,
    );
    const [expected, observed] = [bestPoint(state)!, bestObserved(state)!];
    expectedError += Math.abs(expected.value - bowl(expected.point));
    observedError += Math.abs(observed.value! - bowl(observed.point));
    expectedRegret += bowl(expected.point);
    observedRegret += bowl(observed.point);
  }
  assert(
    expectedError < 0.4 * observedError,
    `errors ${expectedError}, ${observedError}`,
  );
  assert(
    expectedRegret < observedRegret,
    `regrets ${expectedRegret}, ${observedRegret}`,
  );
});

Deno.test("`posteriorAt()` gives intervals that hold the truth", () => {
  const state = optimise(start(), bowl, 10);
  const points = [];
  for (let x = -1; x <= 1; x += 0.1) points.push({ x, y: x * x - 0.5 });
  const { median, lower, upper } = posteriorAt(state, points);
  const inside = points.filter((point, i) =>
    lower[i] <= bowl(point) && bowl(point) <= upper[i]
  );
  assert(inside.length >= 0.8 * points.length);
  points.forEach((_, i) =>
    assert(lower[i] < median[i] && median[i] < upper[i])
  );
});

Deno.test("`posteriorGrid()` crosses the values of its parameters", () => {
  const parameters: Record<string, Parameter> = {
    ...SQUARE,
    c: { kind: "categorical", values: ["a", "b"] },
  };
  const state = optimise(start({ parameters }), bowl, 6);
  const grid = posteriorGrid(state, {
    along: ["x", "c"],
    steps: 3,
    through: { x: 0, y: 0.25, c: "a" },
  });
  assertEquals(grid.values, [[-1, 0, 1], ["a", "b"]]);
  assertEquals(grid.points.map(({ x, c }) => [x, c]), [
    [-1, "a"],
    [-1, "b"],
    [0, "a"],
    [0, "b"],
    [1, "a"],
    [1, "b"],
  ]);
  assert(grid.points.every(({ y }) => y === 0.25));
  assertEquals(grid.median, posteriorAt(state, grid.points).median);
  assertEquals(posteriorGrid(state, { along: ["y"] }).points.length, 50);
});

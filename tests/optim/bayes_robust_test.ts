// Bayesian optimisation of awkward functions: evaluations that fail, constraints,
// what is refused, many values, and every order of asking and telling.

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  askBayes,
  type BayesOptions,
  bestObserved,
  bestPoint,
  createPrng,
  createSpace,
  encode,
  type Outcome,
  type Parameter,
  type Point,
  pointKey,
  posteriorAt,
  posteriorGrid,
  regretBound,
  regretCurve,
  tellBayes,
} from "../../optim/mod.ts";
import { fitModel } from "../../optim/bayes_model.ts";
import { bowl, optimise, start } from "../_bayes.ts";
import { assertClose } from "../_compare.ts";

Deno.test("`tellBayes()` of a failure is not fitted, and its place is avoided", () => {
  const fails = ({ x, y }: Point): boolean => (x as number) + (y as number) > 0;
  const state = optimise(
    start({ startingPoints: 8 }),
    (point) => fails(point) ? NaN : bowl(point),
    25,
  );
  for (const { point, value } of state.evaluations) {
    assertEquals(value === null, fails(point));
  }
  const late = state.evaluations.slice(10, 20);
  const failed = late.filter(({ value }) => value === null).length;
  assert(failed <= 3, `${failed} of 10 failed`);
  assert(bestObserved(state)!.value! < 1e-3);
});

Deno.test("`askBayes()` comes near to a best point behind which all fails", () => {
  // Where values are best evaluations fail; 0.09 is the infimum of the others.
  const state = optimise(
    start(),
    (point) => point.x as number > 0 ? NaN : bowl(point),
    20,
  );
  const { value } = bestObserved(state)!;
  assert(value! < 0.12, `best value is ${value}`);
});

Deno.test("`askBayes()` fails seldom where the optimum is on or behind a border", () => {
  // The least value of the bowl is on the border; then it is behind, and 0.09 is
  // the least that does not fail.
  for (const [border, least, most] of [[0.3, 0, 12], [0, 0.09, 20]]) {
    for (const seed of [0, 1]) {
      const state = optimise(
        start({ startingPoints: 10, seed }),
        (point) => point.x as number > border ? NaN : bowl(point),
        40,
      );
      const failed = state.evaluations.slice(10)
        .filter(({ value }) => value === null).length;
      assert(failed <= most, `${failed} of 30 suggestions failed`);
      assert(bestObserved(state)!.value! - least < 2e-3);
    }
  }
});

Deno.test("`askBayes()` keeps to black-box constraints", () => {
  // On the line x + y = −0.5 the least value is 0.06, at (0.1, −0.6).
  const state = optimise(
    start({ constraints: ["line"] }),
    (point) => ({
      value: bowl(point),
      constraints: { line: (point.x as number) + (point.y as number) + 0.5 },
    }),
    25,
  );
  const best = bestObserved(state)!;
  assert(best.constraints[0]! <= 0);
  assert(best.value! < 0.0665, `best value is ${best.value}`);
  assert(best.value! >= 0.06 - 1e-12);
});

Deno.test("`askBayes()` looks for feasible points while there are none", () => {
  const corner = (point: Point): Outcome => ({
    value: bowl(point),
    constraints: { c: 1.8 - (point.x as number) - (point.y as number) },
  });
  const state = optimise(start({ constraints: ["c"] }), corner, 5);
  assertEquals(bestObserved(state), null);
  assertEquals(bestPoint(state), null);
  assertEquals(regretCurve(state, 0), [null, null, null, null, null]);
  assertEquals(regretBound(state), Infinity);
  assert(bestObserved(optimise(state, corner, 10)) !== null);
});

Deno.test("the optimiser refuses what it cannot use in one sentence", () => {
  const refused: [() => unknown, string][] = [
    [() => start({ startingPoints: 0 }), "startingPoints must be an integer"],
    [() => start({ seed: 0.5 }), "seed must be an integer"],
    [() => start({ warmStart: [{ x: 0 }] }), 'parameter "y" must be one of'],
    [() => askBayes(start(), 0), "count must be an integer of 1 or more"],
    [() => tellBayes(start(), { x: 0, y: 2 }, 1), 'parameter "y" must be'],
    [() => posteriorAt(start(), []), "at least one value must have been told"],
    [() => posteriorGrid(start(), { along: ["x"] }), "must be given when"],
    [
      () => posteriorGrid(optimise(start(), bowl, 1), { along: ["z"] }),
      'along must name parameters: current value is "z"',
    ],
  ];
  for (const [call, message] of refused) {
    assertThrows(call, RangeError, message);
  }
  // As other packages spell them, in a state from JSON or in JavaScript.
  const parameters: Record<string, unknown> = { x: { kind: "int" } };
  assertThrows(
    () => start({ parameters } as Partial<BayesOptions>),
    RangeError,
    "its kind must be float, logFloat, integer or categorical",
  );
  assertThrows(
    () => start(JSON.parse('{"goal": "maximize"}')),
    TypeError,
    'goal must be "minimise" or "maximise"',
  );
});

Deno.test("the optimiser takes 500 observations, many of them equal", () => {
  let state = start();
  for (let i = 0; i < 500; i++) {
    const point = { x: Math.sin(i % 97), y: Math.cos(i) };
    state = tellBayes(state, point, bowl(point));
  }
  const { points: [point] } = askBayes(state);
  assert(bowl(point) < 0.01);
});

Deno.test("the optimiser models a part of many observations, with the best", () => {
  const random = createPrng(4);
  let state = start();
  for (let i = 0; i < 700; i++) {
    const point = { x: 2 * random() - 1, y: 2 * random() - 1 };
    state = tellBayes(state, point, i % 9 === 0 ? NaN : bowl(point));
  }
  const { objective, modelled, constraints } = fitModel(state);
  assertEquals(constraints[0].gp.size, 400);
  assertEquals(objective.size, modelled.length);
  const best = bestObserved(state)!;
  assert(modelled.includes(best));
  // It predicts what is left out.
  const { median } = posteriorAt(
    state,
    state.evaluations.slice(0, 100).map(({ point }) => point),
  );
  state.evaluations.slice(0, 100).forEach(({ value }, i) => {
    if (value !== null) assertClose([median[i]], [value], { absolute: 0.02 });
  });
  assert(bowl(askBayes(state).points[0]) < 0.01);
  // Many failures, and nothing else but one point again and again.
  for (let i = 0; i < 300; i++) state = tellBayes(state, { x: 0, y: 0 }, NaN);
  assert(askBayes(state).points.length === 1);
});

Deno.test("the optimiser searches 50 parameters", () => {
  const parameters = Object.fromEntries(
    Array.from(
      { length: 50 },
      (_, i) => [`x${i}`, { kind: "float", low: -1, high: 1 }] as const,
    ),
  );
  const f = (point: Point): number =>
    Object.values(point).reduce<number>(
      (sum, x, i) => sum + (i < 5 ? ((x as number) - 0.5) ** 2 : 0),
      0,
    );
  const state = optimise(start({ parameters, startingPoints: 20 }), f, 45);
  const firsts = state.evaluations.slice(0, 20).map(({ value }) => value!);
  assert(bestObserved(state)!.value! < 0.3 * Math.min(...firsts));
});

const anyValue = fc.oneof(
  fc.double({ min: -5, max: 5, noNaN: true }),
  fc.constantFrom(NaN, Infinity, 0, 1, 1, 1e300, -1e300),
);
const anyParameters: fc.Arbitrary<Record<string, Parameter>> = fc.record({
  a: fc.constantFrom<Parameter>(
    { kind: "float", low: 0, high: 1 },
    { kind: "float", low: 2, high: 2 },
    { kind: "logFloat", low: 1e-6, high: 1e6 },
  ),
  b: fc.constantFrom<Parameter>(
    { kind: "integer", low: 0, high: 3 },
    { kind: "categorical", values: ["p", "q", "r"] },
    { kind: "float", low: -1e-9, high: 1e9 },
  ),
});

Deno.test("the optimiser survives every order of asking and telling", () => {
  const anyStep = fc.record({
    count: fc.integer({ min: 1, max: 3 }),
    value: anyValue,
    limit: anyValue,
    tellTwice: fc.boolean(),
    leavePending: fc.boolean(),
  });
  fc.assert(
    fc.property(
      anyParameters,
      fc.integer({ min: 1, max: 4 }),
      fc.integer(),
      fc.constantFrom(1e-12, 1, 1e12),
      fc.array(anyStep, { maxLength: 6 }),
      fc.boolean(),
      (parameters, startingPoints, seed, unit, steps, constrained) => {
        const space = createSpace(parameters);
        const constraints = constrained ? ["c"] : [];
        let state = start({ parameters, startingPoints, seed, constraints });
        const proposed = new Set<string>();
        for (const { count, value, limit, ...step } of steps) {
          const { state: asked, points } = askBayes(state, count);
          state = asked;
          for (const point of points) {
            encode(space, point);
            const key = pointKey(space, point);
            assert(!proposed.has(key), `${key} was proposed twice`);
            proposed.add(key);
          }
          const told = step.leavePending ? points.slice(1) : points;
          for (const point of told) {
            const outcome = {
              value: unit * value,
              ...(constrained && { constraints: { c: unit * limit } }),
            };
            state = tellBayes(state, point, outcome);
            if (step.tellTwice) state = tellBayes(state, point, outcome);
          }
        }
        assertEquals(JSON.parse(JSON.stringify(state)), state);
        assert(regretBound(state) >= 0);
        const best = bestPoint(state);
        assertEquals(best === null, bestObserved(state) === null);
        if (best !== null) {
          const { median, lower, upper } = posteriorAt(state, [best.point]);
          assertClose(median, [best.value], {
            relative: 1e-6,
            absolute: 1e-6 * unit,
          });
          assert(lower[0] <= median[0] && median[0] <= upper[0]);
        }
      },
    ),
    { numRuns: 60 },
  );
});

// What an optimisation is told and asked: values of every size, failures, points
// that are given up or told with a rounding error, and names that mean nothing.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  askBayes,
  type BayesOptions,
  type BayesState,
  bestObserved,
  bestPoint,
  createPrng,
  drawNormal,
  encode,
  fitGaussianProcess,
  initBayes,
  maximizeAcquisition,
  minimizeLbfgs,
  type Outcome,
  type Parameter,
  type Point,
  posteriorAt,
  posteriorGrid,
  regretBound,
  tellBayes,
  withdrawBayes,
} from "../../optim/mod.ts";
import { createSpace } from "../../optim/space.ts";
import { bowl, optimise, SQUARE, start } from "../_bayes.ts";

const ORIGIN = { x: 0, y: 0 };

Deno.test("`tellBayes()` takes huge values, which hide nothing of the others", () => {
  for (const huge of [1e16, 1e100, 1e151, 1e300, Number.MAX_VALUE]) {
    const state = optimise(
      start({ startingPoints: 8 }),
      (point) =>
        (point.x as number) + (point.y as number) > 0.3 ? huge : bowl(point),
      25,
    );
    assert(state.evaluations.some(({ value }) => value === huge));
    const best = bestObserved(state)!;
    assert(best.value! < 1e-3, `with ${huge} best is ${best.value}`);
    assert(regretBound(state) >= 0);
  }
});

Deno.test("`tellBayes()` takes values that are all huge, of either sign", () => {
  const state = optimise(start(), (point) => 1e299 * (bowl(point) - 2), 15);
  assert(bestObserved(state)!.value! < -1.98e299);
});

Deno.test("`tellBayes()` takes huge constraint values", () => {
  const state = optimise(
    start({ constraints: ["line"], startingPoints: 8 }),
    (point) => {
      const excess = (point.x as number) + (point.y as number) + 0.5;
      const line = excess > 0.5 ? 1e300 : excess;
      return { value: bowl(point), constraints: { line } };
    },
    25,
  );
  assert(state.evaluations.some(({ constraints: [c] }) => c === 1e300));
  assert(bestObserved(state)!.value! < 0.07);
});

Deno.test("`tellBayes()` takes a failure where constraints are declared", () => {
  const empty = start({ constraints: ["a", "b"] });
  const told = (outcome: number | Outcome) =>
    tellBayes(empty, ORIGIN, outcome).evaluations[0];
  const failed = { point: ORIGIN, value: null, constraints: [null, null] };
  assertEquals(told(NaN), failed);
  assertEquals(told(Infinity), failed);
  assertEquals(told({ value: NaN }), failed);
  assertEquals(
    told({ value: NaN, constraints: { b: 2 } }).constraints,
    [null, 2],
  );
  // And it can go on from there.
  const state = optimise(
    start({ constraints: ["c"] }),
    (point) =>
      (point.x as number) > 0.5 ? NaN : {
        value: bowl(point),
        constraints: { c: -1 },
      },
    12,
  );
  assert(state.evaluations.some(({ value }) => value === null));
  assert(bestObserved(state)!.value! < 0.05);
});

Deno.test("`tellBayes()` refuses what is not a number", () => {
  const state = start();
  const limited = start({ constraints: ["c"] });
  const refused: [() => unknown, string][] = [
    [
      () => tellBayes(state, ORIGIN, JSON.parse('"3"')),
      'value must be a number: current value is "3"',
    ],
    [
      () => tellBayes(state, ORIGIN, undefined as unknown as number),
      "value must be a number: current value is undefined",
    ],
    [
      () => tellBayes(state, ORIGIN, null as unknown as number),
      "value must be a number: current value is null",
    ],
    [
      () => tellBayes(state, ORIGIN, {} as Outcome),
      "value must be a number: current value is undefined",
    ],
    [
      () => tellBayes(limited, ORIGIN, 1),
      'constraint "c" must be a number: current value is undefined',
    ],
    [
      () =>
        tellBayes(limited, ORIGIN, {
          value: NaN,
          constraints: JSON.parse('{"c": "1"}'),
        }),
      'constraint "c" must be a number: current value is "1"',
    ],
  ];
  for (const [call, message] of refused) {
    assertThrows(call, TypeError, message);
  }
});

Deno.test("a name that means nothing is refused, with the nearest that does", () => {
  const state = optimise(start(), bowl, 2);
  const options = (more: object) =>
    initBayes({ parameters: SQUARE, goal: "minimise", ...more });
  const refused: [() => unknown, string][] = [
    [
      () => options({ startingpoint: 3 }),
      '"startingpoint" (did you mean "startingPoints"?)',
    ],
    [() => options({ Seed: 3 }), '"Seed" (did you mean "seed"?)'],
    [
      () =>
        start({
          parameters: { x: JSON.parse('{"kind":"float","low":0,"hihg":1}') },
        }),
      '"hihg" (did you mean "high"?)',
    ],
    [
      () =>
        start({
          parameters: {
            x: { kind: "categorical", values: ["a"], low: 0 } as Parameter,
          },
        }),
      'among [kind, values]: current value is "low"',
    ],
    [
      () => tellBayes(state, { ...ORIGIN, z: 1 }, 1),
      'place a point as its parameters must be among [x, y]: current value is "z"',
    ],
    [() => start({ warmStart: [{ ...ORIGIN, z: 1 }] }), '"z"'],
    [() => posteriorAt(state, [{ ...ORIGIN, z: 1 }]), '"z"'],
    [() => withdrawBayes(state, { ...ORIGIN, z: 1 }), '"z"'],
    [
      () => tellBayes(state, ORIGIN, { value: 1, constraint: {} } as Outcome),
      '"constraint" (did you mean "constraints"?)',
    ],
    [
      () => tellBayes(state, ORIGIN, { value: 1, constraints: { c: 1 } }),
      'its constraints must be absent: current value is "c"',
    ],
    [
      () =>
        tellBayes(start({ constraints: ["cost"] }), ORIGIN, {
          value: 1,
          constraints: { Cost: 1 },
        }),
      '"Cost" (did you mean "cost"?)',
    ],
    [
      () => posteriorGrid(state, { along: ["x"], step: 3 } as never),
      '"step" (did you mean "steps"?)',
    ],
    [
      () =>
        fitGaussianProcess({
          inputs: Float64Array.of(0),
          outputs: Float64Array.of(0),
          noiseVariance: Float64Array.of(1),
        } as never),
      '"noiseVariance" (did you mean "noiseVariances"?)',
    ],
    [
      () =>
        fitGaussianProcess({
          inputs: Float64Array.of(0),
          outputs: Float64Array.of(0),
        }, { start: 3 } as never),
      '"start" (did you mean "starts"?)',
    ],
    [
      () => minimizeLbfgs(() => 0, [0], { upper_: [1] } as never),
      '"upper_" (did you mean "upper"?)',
    ],
    [
      () =>
        maximizeAcquisition(() => 0, 1, {
          candidates: Float64Array.of(0),
          restart: 1,
        } as never),
      '"restart" (did you mean "restarts"?)',
    ],
  ];
  for (const [call, message] of refused) {
    assertThrows(call, TypeError, message);
  }
  assertThrows(
    () => start({ noisy: 1 } as unknown as BayesOptions),
    TypeError,
    "noisy must be true or false: current value is 1",
  );
});

Deno.test("a float may lie outside its bounds by a rounding error", () => {
  const parameters = {
    share: { kind: "float", low: -0.1, high: 0.3 },
    rate: { kind: "logFloat", low: 1e-4, high: 0.1 },
  } as const;
  const empty = initBayes({
    parameters,
    goal: "minimise",
    warmStart: [{ share: 0.3, rate: 1e-4 }],
  });
  const asked = askBayes(empty).state;
  // 0.1 + 0.2, and the double before 1e-4.
  const near = { share: 0.1 + 0.2, rate: 1e-4 * (1 - Number.EPSILON / 2) };
  assert(near.share > 0.3 && near.rate < 1e-4);
  const told = tellBayes(asked, near, 1);
  assertEquals(told.pending, []);
  assertEquals(told.evaluations[0].point, { share: 0.3, rate: 1e-4 });
  assertEquals([...encode(createSpace(parameters), near)], [1, 0]);
  for (const share of [0.3 + 1e-14, -0.1 - 1e-14]) {
    assertThrows(
      () => tellBayes(asked, { share, rate: 1e-3 }, 1),
      RangeError,
      'parameter "share" must be one of',
    );
  }
});

Deno.test("`withdrawBayes()` gives up a pending point, which may come again", () => {
  const state = optimise(start(), bowl, 6);
  const { state: asked, points: [point] } = askBayes(state);
  const withdrawn = withdrawBayes(asked, point);
  assertEquals(withdrawn.pending, []);
  // What remains of it is the count that the random numbers come from.
  assertEquals(withdrawn.asked, asked.asked);
  const again = askBayes(withdrawn).points[0];
  assert(Math.abs((again.y as number) - (point.y as number)) < 1e-3);
  const stillPending = askBayes(asked).points[0];
  assert(Math.abs((stillPending.y as number) - (point.y as number)) > 0.1);
  assertThrows(
    () => withdrawBayes(withdrawn, point),
    RangeError,
    "Cannot withdraw a point as it must be pending",
  );
  const waiting = start({ warmStart: [ORIGIN] });
  assertEquals(withdrawBayes(waiting, ORIGIN).waiting, []);
});

Deno.test("a finite space goes on with noise and ends without", () => {
  const parameters = {
    n: { kind: "integer", low: 0, high: 5 },
  } as const;
  const run = (noisy: boolean): BayesState<typeof parameters> => {
    const random = createPrng(5);
    let state = initBayes({
      parameters,
      goal: "minimise",
      startingPoints: 4,
      noisy,
    });
    for (let i = 0; i < 40; i++) {
      const { state: asked, points } = askBayes(state);
      if (points.length === 0) break;
      const { n } = points[0];
      const value = Math.abs(n - 3) + drawNormal(random);
      state = tellBayes(asked, points[0], value);
    }
    return state;
  };
  assertEquals(run(false).evaluations.length, 6);
  const noisy = run(true);
  assertEquals(noisy.evaluations.length, 40);
  // All are seen first; then the best is what is looked at again.
  const places = noisy.evaluations.map(({ point }) => point.n);
  assertEquals(new Set(places.slice(0, 4)).size, 4);
  const around = places.slice(6).filter((n) => Math.abs(n - 3) <= 1);
  assert(around.length > 20, `${around.length} of 34 near the best`);
  assertEquals(bestPoint(noisy)!.point.n, 3);
});

Deno.test("points have the types of their parameters", () => {
  const state = initBayes({
    parameters: {
      lr: { kind: "logFloat", low: 1e-4, high: 1 },
      layers: { kind: "integer", low: 1, high: 4 },
      kind: { kind: "categorical", values: ["adam", "sgd", 3, true] },
    },
    goal: "maximise",
    warmStart: [{ lr: 0.1, layers: 2, kind: "adam" }],
  });
  const { points: [suggestion], state: asked } = askBayes(state);
  const { lr, layers }: { lr: number; layers: number } = suggestion;
  const kind: "adam" | "sgd" | 3 | true = suggestion.kind;
  assertEquals([lr, layers, kind], [0.1, 2, "adam"]);
  const told = tellBayes(asked, suggestion, 1);
  const best: number = bestObserved(told)!.point.lr;
  assertEquals(best, bestPoint(told)!.point.lr);
  const grid = posteriorGrid(told, { along: ["kind"], through: suggestion });
  assertEquals(
    grid.points.map((point): "adam" | "sgd" | 3 | true => point.kind),
    [
      "adam",
      "sgd",
      3,
      true,
    ],
  );
  // A state of any space holds any points.
  const anyState: BayesState = told;
  const anyPoint: Point = suggestion;
  assertEquals(anyState.evaluations[0].point, anyPoint);
  // @ts-expect-error `kind` has no such choice
  assertThrows(() => tellBayes(told, { lr, layers, kind: "rms" }, 1));
  // @ts-expect-error `kind` is missing
  assertThrows(() => tellBayes(told, { lr, layers }, 1));
  // @ts-expect-error there is no such parameter
  assertThrows(() => posteriorGrid(told, { along: ["rate"] }));
});

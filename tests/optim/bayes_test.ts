import { assert, assertEquals } from "@std/assert";
import {
  askBayes,
  type BayesState,
  bestObserved,
  createPrng,
  createSpace,
  encode,
  type Outcome,
  type Parameter,
  type Point,
  pointKey,
  regretCurve,
  tellBayes,
} from "../../optim/mod.ts";
import { bowl, optimise, SQUARE, start } from "../_bayes.ts";
import { assertClose } from "../_compare.ts";

Deno.test("`askBayes()` finds the minimum of a bowl in a few evaluations", () => {
  for (let seed = 0; seed < 5; seed++) {
    const state = optimise(start({ seed }), bowl, 20);
    assert(bestObserved(state)!.value! < 1e-3);
    assertEquals(regretCurve(state, 0).at(-1), bestObserved(state)!.value);
  }
});

Deno.test("`askBayes()` maximises as it minimises the negated values", () => {
  const least = optimise(start(), bowl, 12);
  const most = optimise(
    start({ goal: "maximise" }),
    (point) => -bowl(point),
    12,
  );
  assertEquals(
    most.evaluations.map(({ point }) => point),
    least.evaluations.map(({ point }) => point),
  );
  assertClose(
    regretCurve(most) as number[],
    regretCurve(least) as number[],
    { absolute: 0 },
  );
});

Deno.test("a state goes on from JSON bit for bit", () => {
  const options = {
    parameters: {
      ...SQUARE,
      n: { kind: "integer", low: 0, high: 5 },
      c: { kind: "categorical", values: ["a", true, 3] },
    } satisfies Record<string, Parameter>,
    constraints: ["c1"],
    warmStart: [{ x: 0, y: 0, n: 2, c: true }],
    seed: 3,
  };
  const outcome = (point: Point): Outcome => ({
    value: point.n === 5 ? NaN : bowl(point) + (point.n as number),
    constraints: { c1: (point.x as number) - 0.1 },
  });
  const run = (keep: (state: BayesState) => BayesState): BayesState => {
    let state = keep(start(options));
    for (let i = 0; i < 6; i++) {
      // Two are asked for, the first is told, the second stays pending a while.
      const { state: asked, points } = askBayes(state, 2);
      state = keep(tellBayes(keep(asked), points[0], outcome(points[0])));
      if (i % 2 === 1) {
        state = keep(tellBayes(state, points[1], outcome(points[1])));
      }
    }
    return state;
  };
  const saved = run((state) => JSON.parse(JSON.stringify(state)));
  assertEquals(JSON.stringify(saved), JSON.stringify(run((state) => state)));
  assertEquals(saved.pending.length, 3);
});

Deno.test("`askBayes()` starts elsewhere with another seed", () => {
  const first = (seed: number) => askBayes(start({ seed })).points[0];
  assertEquals(first(1), first(1));
  assert(first(1).x !== first(2).x);
});

Deno.test("`askBayes()` proposes every point of a finite space once", () => {
  const space = createSpace({
    n: { kind: "integer", low: 1, high: 4 },
    c: { kind: "categorical", values: ["a", "b", "c"] },
  });
  const { parameters } = space;
  for (let seed = 0; seed < 3; seed++) {
    let state = start({ parameters, startingPoints: 5, seed });
    for (let i = 0; i < 5; i++) {
      const { state: asked, points } = askBayes(state, 2);
      assertEquals(points.length, 2);
      state = points.reduce(
        (state, point) => tellBayes(state, point, point.c === "b" ? 0 : 1),
        asked,
      );
    }
    // The last two; no more even before they are told.
    const { state: asked, points } = askBayes(state, 3);
    assertEquals(points.length, 2);
    assertEquals(askBayes(asked).points, []);
    const all = [...state.evaluations.map(({ point }) => point), ...points];
    const keys = all.map((point) => pointKey(space, point));
    assertEquals(new Set(keys).size, 12);
  }
});

Deno.test("`askBayes()` finds the best of many integers and categories", () => {
  const parameters: Record<string, Parameter> = {
    n: { kind: "integer", low: 0, high: 1000 },
    c: { kind: "categorical", values: ["a", "b", "c", "d"] },
    x: { kind: "float", low: 0, high: 1 },
  };
  const state = optimise(
    start({ parameters, startingPoints: 10 }),
    ({ n, c, x }) =>
      ((n as number) - 321) ** 2 / 1e4 + (c === "c" ? 0 : 1) +
      ((x as number) - 0.7) ** 2,
    40,
  );
  const { n, c } = bestObserved(state)!.point;
  assertEquals(c, "c");
  assert(Math.abs(n as number - 321) <= 3, `n is ${n}`);
});

Deno.test("`askBayes()` spreads several points and keeps off pending ones", () => {
  const space = createSpace(SQUARE);
  const distance = (a: Point, b: Point): number => {
    const [xA, xB] = [encode(space, a), encode(space, b)];
    return Math.hypot(...xA.map((value, i) => value - xB[i]));
  };
  // Hills and valleys, of which little is known after five evaluations.
  const wavy = (point: Point): number =>
    bowl(point) +
    Math.sin(6 * (point.x as number)) * Math.cos(5 * (point.y as number));
  const state = optimise(start(), wavy, 5);
  const batch = askBayes(state, 4);
  const later = askBayes(batch.state);
  const points = [...batch.points, ...later.points];
  points.forEach((a, i) =>
    points.slice(0, i).forEach((b) =>
      assert(distance(a, b) > 0.02, `${distance(a, b)} apart`)
    )
  );
  // The first is where it would be on its own.
  assertEquals(points[0], askBayes(state).points[0]);
});

Deno.test("`askBayes()` keeps points apart when the optimum is all but known", () => {
  const space = createSpace(SQUARE);
  const state = optimise(start(), bowl, 25);
  const { state: asked, points: [pending] } = askBayes(state);
  // Coordinates of the cube, in which the square is two wide.
  const places = [pending, ...askBayes(asked, 4).points].map((point) =>
    encode(space, point)
  );
  places.forEach((a, i) =>
    places.slice(0, i).forEach((b) => {
      const apart = Math.hypot(...a.map((value, k) => value - b[k]));
      assert(apart >= 0.01, `${apart} apart`);
    })
  );
});

Deno.test("`askBayes()` begins with warm-start points, each once", () => {
  const warmStart = [{ x: 0, y: 0 }, { x: 1, y: 1 }, { x: 0, y: 0 }];
  const { state, points } = askBayes(
    start({ warmStart, startingPoints: 4 }),
    4,
  );
  assertEquals(points.slice(0, 2), warmStart.slice(0, 2));
  assertEquals(state.waiting, []);
  // A value that is known needs no asking.
  const told = tellBayes(start({ warmStart }), warmStart[0], 1);
  assertEquals(askBayes(told).points, [warmStart[1]]);
});

Deno.test("`askBayes()` tells how much improvement is to be expected", () => {
  const early = optimise(start(), bowl, 5);
  const late = optimise(early, bowl, 20);
  assertEquals(askBayes(start()).logImprovement, null);
  assert(askBayes(late).logImprovement! < askBayes(early).logImprovement! - 5);
});

Deno.test("`askBayes()` finds hyper-parameters anew for a tenth more values", () => {
  const random = createPrng(1);
  let state = start();
  const tellUntil = (size: number): void => {
    while (state.evaluations.length < size) {
      const point = { x: 2 * random() - 1, y: 2 * random() - 1 };
      state = tellBayes(state, point, bowl(point));
    }
    state = askBayes(state).state;
  };
  const fittedTo = (size: number): number => {
    tellUntil(size);
    return state.fits[0]!.size;
  };
  assertEquals([30, 31, 100, 109, 111].map(fittedTo), [30, 31, 100, 100, 111]);
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  askBayes,
  initBayes,
  maximize,
  minimize,
  type MinimizeOptions,
  tellBayes,
} from "../../optim/mod.ts";

const SPACE = {
  x: { kind: "float", low: -1, high: 1 },
  kind: { kind: "categorical", values: ["near", "far"] },
} as const;

/** Least value 0 at x = 0.3, "near". */
function distance(x: number, kind: "near" | "far"): number {
  return (x - 0.3) ** 2 + (kind === "near" ? 0 : 1);
}

Deno.test("`minimize()` goes the way of the state machine", async () => {
  const options = { startingPoints: 5, seed: 4 };
  const { best, state } = await minimize(
    ({ x, kind }) => distance(x, kind),
    SPACE,
    { budget: 12, ...options },
  );
  let expected = initBayes({ parameters: SPACE, goal: "minimise", ...options });
  for (let i = 0; i < 12; i++) {
    const { state: asked, points: [point] } = askBayes(expected);
    expected = tellBayes(asked, point, distance(point.x, point.kind));
  }
  assertEquals(state, expected);
  assert(best!.value < 1e-3 && best!.point.kind === "near");
  const x: number = best!.point.x;
  assertEquals(best!.value, distance(x, best!.point.kind));
});

Deno.test("`maximize()` goes the way of `minimize()` with negated values", async () => {
  const options = { budget: 8, startingPoints: 4 };
  const least = await minimize(
    ({ x, kind }) => distance(x, kind),
    SPACE,
    options,
  );
  const most = await maximize(
    ({ x, kind }) => -distance(x, kind),
    SPACE,
    options,
  );
  assertEquals(
    most.state.evaluations.map(({ point }) => point),
    least.state.evaluations.map(({ point }) => point),
  );
  assertEquals(most.best!.value, -least.best!.value);
});

Deno.test("`minimize()` runs a batch side by side and reports in order", async () => {
  const finished: number[] = [];
  const reported: number[] = [];
  let running = 0;
  let most = 0;
  const { state } = await minimize(
    async ({ x, kind }, { index }) => {
      running++;
      most = Math.max(most, running);
      // The later they begin, the sooner they end.
      await new Promise((resolve) => setTimeout(resolve, 20 - 6 * (index % 3)));
      running--;
      finished.push(index);
      return distance(x, kind);
    },
    SPACE,
    {
      budget: 8,
      batch: 3,
      startingPoints: 4,
      onTrial: ({ index, evaluation, best, state }) => {
        reported.push(index);
        assertEquals(state.evaluations[index], evaluation);
        assertEquals(state.evaluations.length, index + 1);
        assert(best!.value! <= evaluation.value!);
      },
    },
  );
  assertEquals(most, 3);
  assert(finished[0] === 2, "evaluations did not overlap");
  assertEquals(reported, [0, 1, 2, 3, 4, 5, 6, 7]);
  assertEquals(state.pending, []);
});

Deno.test("`minimize()` ends with the signal's reason, and hands the signal on", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  let calls = 0;
  const error = await assertRejects(() =>
    minimize(
      ({ x, kind }, { signal }) => {
        assertEquals(signal, controller.signal);
        calls++;
        return distance(x, kind);
      },
      SPACE,
      {
        budget: 50,
        signal: controller.signal,
        onTrial: ({ index }) => index === 3 && controller.abort(reason),
      },
    )
  );
  assertEquals(error, reason);
  assertEquals(calls, 4);
  // A timer comes through although the function never waits.
  const timeout = AbortSignal.timeout(30);
  await assertRejects(
    () =>
      minimize(() => 1, SPACE, {
        budget: 1e6,
        startingPoints: 1e6,
        signal: timeout,
      }),
    DOMException,
  );
});

Deno.test("`minimize()` ends with the error of its function", async () => {
  await assertRejects(
    () =>
      minimize(() => {
        throw new Error("no such file");
      }, SPACE),
    Error,
    "no such file",
  );
});

Deno.test("`minimize()` ends early where a finite space is exhausted", async () => {
  const space = { n: { kind: "integer", low: 1, high: 4 } } as const;
  const { best, state } = await minimize(({ n }) => (n - 3) ** 2, space);
  assertEquals(state.evaluations.length, 4);
  assertEquals(best, { point: { n: 3 }, value: 0 });
  const noisy = await minimize(({ n }) => (n - 3) ** 2, space, {
    budget: 9,
    noisy: true,
  });
  assertEquals(noisy.state.evaluations.length, 9);
  assertEquals(noisy.best!.point.n, 3);
});

Deno.test("`minimize()` finds nothing where all fails", async () => {
  const { best } = await minimize(() => NaN, SPACE, { budget: 3 });
  assertEquals(best, null);
});

Deno.test("`minimize()` refuses options that it cannot use", async () => {
  const refused: [object, string][] = [
    [
      { budget: 0 },
      "budget must be an integer of 1 or more: current value is 0",
    ],
    [{ batch: 1.5 }, "batch must be an integer of 1 or more"],
    [{ budgets: 3 }, '"budgets" (did you mean "budget"?)'],
    [{ goal: "maximise" }, 'current value is "goal"'],
    [{ seed: "1" }, "seed must be an integer"],
  ];
  for (const [options, message] of refused) {
    await assertRejects(
      () => minimize(() => 0, SPACE, options as MinimizeOptions<typeof SPACE>),
      Error,
      message,
    );
  }
});

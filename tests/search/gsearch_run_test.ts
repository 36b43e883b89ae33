import { assertEquals, assertRejects } from "@std/assert";
import type { Evaluate, EvaluateOptions } from "../../search/evaluate.ts";
import {
  gSearch,
  type GSearchOptions,
  type GSearchResult,
  type Trial,
} from "../../search/gsearch.ts";
import { leastEpsilon } from "../../search/criterion.ts";
import { finish, type Finished } from "../_search.ts";

interface Call {
  keep: readonly number[];
  options: EvaluateOptions;
}

/**
 * 40 samples, each with a need of its own per layer, in batches of 8; sample s
 * is right when its needs are met. Logs the calls.
 */
function toyEvaluate(calls: Call[] = []): Evaluate {
  const needs = (s: number) => [20, 20 - s % 7, 14 - s % 5, s % 9, s % 4];
  return (schedule, options = {}) => {
    calls.push({ keep: schedule.keep, options });
    const samples = [];
    for (let index = 0; index < 40; index++) {
      const correct = needs(index).every((n, i) => schedule.keep[i] >= n);
      samples.push({ index, correct, loss: correct ? .1 : 3 });
      const partial = { samples: [...samples], total: 40 };
      if (index % 8 === 7 && options.stop?.(partial)) break;
    }
    return Promise.resolve({ samples, total: 40 });
  };
}

const options: GSearchOptions = {
  layers: 5,
  visionTokens: 20,
  firstLayer: 1,
  criterion: { kind: "accuracy", epsilon: 0 },
};

function run(
  evaluate: Evaluate,
  options: GSearchOptions,
): Promise<Finished<Trial, GSearchResult>> {
  return finish(gSearch(evaluate, options));
}

Deno.test("`gSearch()` finds the greatest need of any sample when ε is the least, by every criterion", async () => {
  for (const kind of ["accuracy", "loss", "bound"] as const) {
    const { result } = await run(toyEvaluate(), {
      ...options,
      criterion: { kind, epsilon: leastEpsilon(kind, 40) },
    });
    assertEquals(result.schedule.keep, [20, 20, 14, 8, 3], kind);
  }
});

Deno.test("`gSearch()` spends ε where it helps first", async () => {
  // 40 · 15 % = 6 samples may be lost: the 6 that need 20 in layer 1.
  const criterion = { kind: "accuracy", epsilon: 15 } as const;
  const { result } = await run(toyEvaluate(), { ...options, criterion });
  assertEquals(result.schedule.keep, [20, 19, 14, 8, 3]);
});

Deno.test("`gSearch()` yields every trial, stops failing ones early and passing ones at the end", async () => {
  let milliseconds = 0;
  const { yielded, result } = await run(toyEvaluate(), {
    ...options,
    now: () => milliseconds += 250,
  });
  assertEquals(yielded, [...result.trials]);
  assertEquals(yielded[0], {
    layer: 1,
    keep: 10,
    schedule: [20, 10, 10, 10, 10],
    verdict: "fail",
    samplesUsed: 8,
    meanDrop: 100,
    remaining: 4 + 3 * 5,
    seconds: .25,
  });
  for (const { verdict, samplesUsed } of yielded) {
    assertEquals(verdict === "pass", samplesUsed === 40);
  }
  assertEquals(result.full.samples.length, 40);
  assertEquals(yielded.at(-1)?.remaining, 0);
});

Deno.test("`gSearch()` promises fixed layers only where they equal the call before", async () => {
  const calls: Call[] = [];
  await run(toyEvaluate(calls), options);
  for (const [i, { keep, options }] of calls.entries()) {
    const { fixedLayers = 0 } = options;
    const before = calls[i - 1]?.keep ?? [];
    assertEquals(keep.slice(0, fixedLayers), before.slice(0, fixedLayers));
    // And all of those: the next layer differs.
    if (i > 0) assertEquals(keep[fixedLayers] === before[fixedLayers], false);
  }
});

Deno.test("`gSearch()` promises nothing of a call that another made", async () => {
  const full = await toyEvaluate()({
    visionTokens: 20,
    keep: Array(5).fill(20),
  });
  const calls: Call[] = [];
  await run(toyEvaluate(calls), { ...options, full });
  assertEquals(calls[0].options.fixedLayers, 0);
});

Deno.test("`gSearch()` resumed from any cut gives the identical result without a repeat", async () => {
  const { yielded, result } = await run(toyEvaluate(), options);
  for (let cut = 0; cut <= yielded.length; cut++) {
    const recorded = JSON.parse(JSON.stringify(yielded.slice(0, cut)));
    const calls: Call[] = [];
    const resumed = await run(toyEvaluate(calls), { ...options, recorded });
    assertEquals(resumed.result, result);
    assertEquals(resumed.yielded, yielded.slice(cut));
    assertEquals(calls.length, 1 + yielded.length - cut);
  }
});

Deno.test("`gSearch()` rejects when a recorded trial is not what the search asks for", async () => {
  const { yielded } = await run(toyEvaluate(), options);
  const [first, second] = yielded;
  const turned = first.verdict === "pass" ? "fail" : "pass";
  const wrong: [Trial[], string][] = [
    [[second], "recorded trial 0"],
    [[first, { ...second, layer: 2 }], "recorded trial 1"],
    [[{ ...first, schedule: [20, 10, 10, 10, 9] }], "recorded trial 0"],
    [[{ ...first, verdict: "open" as "pass" }], "recorded trial 0"],
    [[...yielded, second], "expected no further trial"],
    // The last verdict decides what is left, so it is known to be turned.
    [
      [{ ...first, verdict: turned }],
      "Cannot resume as remaining of recorded trial 0 must be",
    ],
    [[first, { ...second, remaining: 0 }], "remaining of recorded trial 1"],
    [
      [first, { ...second, samplesUsed: -7 }],
      "Cannot resume as samplesUsed of recorded trial 1 must be an integer of at least 1: current value is -7",
    ],
    [[{ ...first, samplesUsed: 1.5 }], "samplesUsed of recorded trial 0"],
    [
      [{ ...first, meanDrop: "x" as unknown as number }],
      'Cannot resume as meanDrop of recorded trial 0 must be a finite number: current value is "x"',
    ],
    [[{ ...first, meanDrop: Infinity }], "meanDrop of recorded trial 0"],
    [[{ ...first, seconds: -1 }], "seconds of recorded trial 0"],
    [
      [{ ...first, schedule: null as unknown as number[] }],
      "recorded trial 0",
    ],
  ];
  for (const [recorded, message] of wrong) {
    await assertRejects(
      () => run(toyEvaluate(), { ...options, recorded }),
      RangeError,
      message,
    );
  }
});

Deno.test("`gSearch()` rejects when the evaluation stops although the outcome is open", async () => {
  const evaluate: Evaluate = async (schedule, evaluateOptions) => {
    const { samples, total } = await toyEvaluate()(schedule);
    const stopped = evaluateOptions?.stop ? samples.slice(0, 0) : samples;
    return { samples: stopped, total };
  };
  await assertRejects(() => run(evaluate, options), RangeError, "was open");
});

Deno.test("`gSearch()` rejects with the signal's reason when aborted, and hands the signal on", async () => {
  const controller = new AbortController();
  const calls: Call[] = [];
  const evaluate: Evaluate = (schedule, evaluateOptions) => {
    if (calls.length === 3) controller.abort(new Error("enough"));
    return toyEvaluate(calls)(schedule, evaluateOptions);
  };
  const { signal } = controller;
  await assertRejects(
    () => run(evaluate, { ...options, signal }),
    Error,
    "enough",
  );
  // The full model and two trials; the aborted one gives no verdict.
  assertEquals(calls.length, 4);
  assertEquals(calls.every(({ options }) => options.signal === signal), true);
});

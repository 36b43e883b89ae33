import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Evaluate } from "../../search/evaluate.ts";
import {
  pSigmoid,
  type PSigmoidOptions,
  type PSigmoidState,
  type PSigmoidTrial,
} from "../../search/psigmoid.ts";
import { sigmoidSchedule, solveSigmoid } from "../../search/sigmoid.ts";
import { assertClose } from "../_compare.ts";
import { type Call, evaluateByRates, lossWithoutNoise } from "../_rates.ts";
import { abortThirdCall, finish } from "../_search.ts";

const options = {
  layers: 8,
  visionTokens: 144,
  firstLayer: 1,
  budget: { kind: "rate", limit: .3 },
  evaluations: 12,
} satisfies PSigmoidOptions;

const { schedule: wanted } = solveSigmoid({ k: .6, a: .8 }, options);

/** What most tests here evaluate by. */
const toy = { wanted, noise: .05 };

Deno.test("`pSigmoid()` finds the best sigmoid when answers are noisy", async () => {
  const search = pSigmoid(evaluateByRates(toy), {
    ...options,
    evaluations: 30,
  });
  const { yielded, result } = await finish(search);
  assertEquals(result.trials, yielded);
  assertEquals(yielded.length, 30);
  assertEquals(sigmoidSchedule(result, options), result.schedule);
  assert(lossWithoutNoise(wanted, result.schedule) < .1 + .005);
  // Two standard errors of a mean of 40 samples.
  const absolute = 2 * toy.noise / Math.sqrt(40);
  assertClose([result.value], [Math.exp(-.1)], { absolute });
});

Deno.test("`pSigmoid()` yields the objective that was asked for, time and trials left", async () => {
  const { schedule } = solveSigmoid({ k: .9, a: .4 }, options);
  const loss = lossWithoutNoise(wanted, schedule);
  const expected = {
    probability: Math.exp(-loss),
    loss: -loss,
    accuracy: loss < .5 ? 1 : 0,
  };
  for (const objective of ["probability", "loss", "accuracy"] as const) {
    let milliseconds = 0;
    const search = pSigmoid(evaluateByRates({ wanted }), {
      ...options,
      objective,
      warmStart: [{ k: .9, a: .4 }],
      now: () => milliseconds += 250,
    });
    const { value: trial } = await search.next();
    const { k, a, b, value, ...others } = trial as PSigmoidTrial;
    assertEquals({ k, a }, { k: .9, a: .4 });
    assertEquals(sigmoidSchedule({ k, a, b }, options), schedule);
    assertClose([value], [expected[objective]], { relative: 1e-12 }, objective);
    assertEquals(others, {
      firstLayer: options.firstLayer,
      schedule: schedule.keep,
      remaining: 11,
      seconds: .25,
    });
  }
});

Deno.test("`pSigmoid()` promises fixed layers where they equal the call before, and never stops a call", async () => {
  const calls: Call[] = [];
  await finish(pSigmoid(evaluateByRates({ ...toy, calls }), options));
  assertEquals(calls.length, 12);
  for (const [i, { keep, options }] of calls.entries()) {
    const before = calls[i - 1]?.keep ?? [];
    const common = keep.findIndex((count, layer) => count !== before[layer]);
    assertEquals(options, { fixedLayers: common });
  }
});

Deno.test("`pSigmoid()` resumed from any cut gives the identical result without a repeat", async () => {
  const whole = await finish(pSigmoid(evaluateByRates(toy), options));
  for (const cut of [1, 5, 9, 12]) {
    const recorded = JSON.parse(JSON.stringify(whole.yielded.slice(0, cut)));
    const calls: Call[] = [];
    const evaluate = evaluateByRates({ ...toy, calls });
    const resumed = await finish(pSigmoid(evaluate, { ...options, recorded }));
    assertEquals(resumed.result, whole.result);
    assertEquals(resumed.yielded, whole.yielded.slice(cut));
    assertEquals(calls.length, 12 - cut);
  }
});

Deno.test("`pSigmoid()` goes on from its state as from its trials", async () => {
  const states: PSigmoidState[] = [];
  const onState = (state: PSigmoidState) => states.push(state);
  const search = pSigmoid(evaluateByRates(toy), { ...options, onState });
  const whole = await finish(search);
  assertEquals(states.length, 12);
  for (const cut of [1, 6, 12]) {
    const recorded = whole.yielded.slice(0, cut);
    const state = JSON.parse(JSON.stringify(states[cut - 1]));
    const resumed = await finish(
      pSigmoid(evaluateByRates(toy), { ...options, recorded, state }),
    );
    assertEquals(resumed.result, whole.result);
    assertEquals(resumed.yielded, whole.yielded.slice(cut));
  }
  // It is a state that is gone on from: without a proposal it is the end.
  const ended = { ...states[5], proposal: null };
  const recorded = whole.yielded.slice(0, 6);
  const given = { ...options, recorded, state: ended };
  const { result, yielded } = await finish(
    pSigmoid(evaluateByRates(toy), given),
  );
  assertEquals([yielded.length, result.trials], [0, recorded]);
});

Deno.test("`pSigmoid()` does not go on from a state of other trials", async () => {
  const states: PSigmoidState[] = [];
  const onState = (state: PSigmoidState) => states.push(state);
  const search = pSigmoid(evaluateByRates(toy), { ...options, onState });
  const whole = await finish(search);
  const [, , third] = states;
  for (
    const state of [
      states[3],
      { ...third, known: third.known.map((one) => ({ ...one, value: 9 })) },
      { ...third, known: third.known.map((one) => ({ ...one, keep: [9] })) },
    ]
  ) {
    const recorded = whole.yielded.slice(0, 3);
    const given = { ...options, recorded, state: { ...state, proposal: null } };
    const resumed = await finish(pSigmoid(evaluateByRates(toy), given));
    assertEquals(resumed.result, whole.result);
  }
});

Deno.test("`pSigmoid()` rejects when a recorded trial is not what the search asks for", async () => {
  const { yielded } = await finish(pSigmoid(evaluateByRates(toy), options));
  const [first, second] = yielded;
  const wrong: [PSigmoidTrial[], string][] = [
    [[second], "recorded trial 0"],
    [[first, first], "recorded trial 1"],
    [[...yielded, first], "expected no further trial"],
    [
      [{ ...first, value: NaN }],
      "Cannot resume as value of recorded trial 0 must be a finite number",
    ],
    [
      [{ ...first, value: "x" as unknown as number }],
      "value of recorded trial 0",
    ],
    [[first, { ...second, remaining: 3 }], "remaining of recorded trial 1"],
    [[{ ...first, seconds: -1 }], "seconds of recorded trial 0"],
  ];
  for (const [recorded, message] of wrong) {
    await assertRejects(
      () => finish(pSigmoid(evaluateByRates(toy), { ...options, recorded })),
      RangeError,
      message,
    );
  }
});

Deno.test("`pSigmoid()` rejects when an evaluation is incomplete", async () => {
  const evaluate: Evaluate = async (schedule) => {
    const { samples, total } = await evaluateByRates(toy)(schedule);
    return { samples: samples.slice(1), total };
  };
  await assertRejects(
    () => finish(pSigmoid(evaluate, options)),
    RangeError,
    "every sample once",
  );
});

Deno.test("`pSigmoid()` rejects with the signal's reason when aborted, and hands the signal on", async () => {
  const trials = await abortThirdCall(
    (evaluate, signal) => pSigmoid(evaluate, { ...options, signal }),
    toy,
  );
  // The aborted evaluation is no trial.
  assertEquals(trials, 2);
});

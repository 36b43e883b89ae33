// Evaluations that a study keeps, in a store of whoever's making.

import { assertEquals } from "@std/assert";
import type { Evaluation } from "../../search/mod.ts";
import type { EvaluationKey, TrialStore } from "../../store/mod.ts";
import { evaluateOnce, identityOf, type Records } from "../../study/mod.ts";
import { schedule, set } from "../_evaluator.ts";

const RESULT: Evaluation = {
  samples: [{ index: 0, correct: true, loss: 0.5 }],
  total: 1,
};

/** As little of a store as evaluations need. */
function plainStore(): TrialStore {
  const kept = new Map<string, Evaluation>();
  const name = (key: EvaluationKey) => JSON.stringify(key);
  const none = () => Promise.reject(new Error("is not there"));
  return {
    evaluation: (key) => Promise.resolve(kept.get(name(key)) ?? null),
    keepEvaluation(key, evaluation) {
      kept.set(name(key), evaluation);
      return Promise.resolve();
    },
    study: none,
    trialEvaluation: none,
    list: none,
    exportLines: () => {
      throw new Error("is not there");
    },
    close: none,
  };
}

const recordsOf = (store: TrialStore): Records => ({
  ...{ store, model: "m" },
  device: { backend: "reference", weights: "f32" },
});

Deno.test("evaluateOnce() evaluates once what depends on the same, and without records each time", async () => {
  const records = recordsOf(plainStore());
  const asked = {
    schedule: schedule(16, 16, 8, 8),
    questions: set,
    rules: { ranking: "last" },
  };
  const evaluations = async (
    given: Records | null,
    changes: Partial<typeof asked> = {},
  ): Promise<number> => {
    let count = 0;
    const evaluate = (): Promise<Evaluation> => {
      count++;
      return Promise.resolve(RESULT);
    };
    const all = { ...asked, ...changes, evaluate };
    assertEquals(await evaluateOnce(given, all), RESULT);
    return count;
  };
  assertEquals([await evaluations(records), await evaluations(records)], [
    1,
    0,
  ]);
  assertEquals([await evaluations(null), await evaluations(null)], [1, 1]);
  for (
    const changes of [
      { schedule: schedule(16, 16, 8, 7) },
      { questions: { ...set, samples: set.samples.slice(1) } },
      { rules: { ranking: "random" } },
    ]
  ) {
    assertEquals(await evaluations(records, changes), 1);
  }
  for (
    const other of [
      { ...records, model: "n" },
      { ...records, device: { ...records.device, backend: "WebGPU" } },
      { ...records, device: { ...records.device, weights: "int8" } },
    ]
  ) {
    assertEquals(await evaluations(other), 1);
  }
});

Deno.test("identityOf() has all that trials depend on", async () => {
  const records = recordsOf(plainStore());
  const { questions, ...rest } = await identityOf(records, set, "G-Search", {
    seed: 1,
  });
  assertEquals(rest, {
    model: "m",
    search: "G-Search",
    options: { device: records.device, seed: 1 },
  });
  assertEquals(questions.length, 64);
});

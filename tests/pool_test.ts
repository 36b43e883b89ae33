// The pool gives what one evaluator gives, however many workers share the work.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromKeepCounts, RANKINGS } from "../core/mod.ts";
import {
  createEvaluator,
  createEvaluatorPool,
  type Evaluation,
  type Sample,
  type SampleSet,
} from "../eval/mod.ts";
import { keepAll, loadLlavaFixture } from "./_llava.ts";
import { noise } from "./_small_model.ts";

const { model, source } = await loadLlavaFixture("llava_a");
const set: SampleSet = {
  images: [0, 1, 2].map((seed) => noise(seed)),
  samples: Array.from({ length: 20 }, (_, i): Sample => ({
    image: (i * i) % 3,
    prompt: { before: [1], after: i % 4 === 0 ? [5, i] : [6, i, 7] },
    answer: 5 + i,
  })),
};
const byIndex = ({ samples }: Evaluation) =>
  samples.toSorted((a, b) => a.index - b.index);

Deno.test("createEvaluatorPool() gives the results of createEvaluator() with any number of workers", async () => {
  // More workers than images: one has nothing to do.
  for (const count of [1, 2, 4]) {
    using pool = await createEvaluatorPool(source, count);
    for (const ranking of RANKINGS) {
      const evaluate = pool.createEvaluator(set, { ranking });
      const alone = createEvaluator(model, set, { ranking });
      for (const keep of [[16, 16, 16, 16], [16, 7, 7, 7], [16, 7, 3, 3]]) {
        const schedule = fromKeepCounts(keep, 16);
        const { samples, total } = await evaluate(schedule, { fixedLayers: 1 });
        assertEquals(samples, byIndex(await alone(schedule)));
        assertEquals(total, set.samples.length);
      }
    }
  }
});

Deno.test("createEvaluatorPool() stops all workers, and counts nothing after that", async () => {
  using pool = await createEvaluatorPool(source, 2);
  const done: number[] = [];
  const evaluate = pool.createEvaluator(set, {
    batchSize: 1,
    onProgress: (samples) => done.push(samples),
  });
  const whole = await evaluate(keepAll(model));
  assertEquals(done.at(-1), set.samples.length);
  done.length = 0;
  const { samples, total } = await evaluate(keepAll(model), {
    stop: ({ samples }) => samples.length >= 5,
  });
  assertEquals(samples.length, 5);
  assertEquals(done.at(-1), 5);
  assertEquals(total, set.samples.length);
  assertEquals(
    samples,
    whole.samples.filter(({ index }) => samples.some((s) => s.index === index)),
  );
  // The next run is whole again.
  assertEquals(await evaluate(keepAll(model)), whole);
});

Deno.test("createEvaluatorPool() rejects with the signal's reason, and goes on after that", async () => {
  using pool = await createEvaluatorPool(source, 2);
  const controller = new AbortController();
  let batches = 0;
  const evaluate = pool.createEvaluator(set, {
    batchSize: 1,
    onProgress: () => {
      if (++batches === 3) controller.abort(new Error("enough"));
    },
  });
  const { signal } = controller;
  for (const when of ["during", "before"]) {
    await assertRejects(
      () => evaluate(keepAll(model), { signal }),
      Error,
      "enough",
      when,
    );
  }
  assert(batches < set.samples.length);
  const { samples } = await evaluate(keepAll(model));
  assertEquals(samples.length, set.samples.length);
});

Deno.test("createEvaluatorPool() rejects with the error of a worker, and goes on after that", async () => {
  using pool = await createEvaluatorPool(source, 2);
  const evaluate = pool.createEvaluator(set);
  await assertRejects(
    () => evaluate(fromKeepCounts([16, 16], 16)),
    RangeError,
    "must have 4 layers",
  );
  const { samples } = await evaluate(keepAll(model));
  assertEquals(samples.length, set.samples.length);
});

// The pool gives what one evaluator gives, however many workers share the work.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { fromKeepCounts, RANKINGS, type WeightType } from "../../core/mod.ts";
import {
  createBackend,
  createEvaluator,
  createEvaluatorPool,
} from "../../eval/mod.ts";
import { keepAll, loadLlavaFixture } from "../_llava.ts";
import { byIndex, createPool, model, set, source } from "../_pool.ts";

for (const device of ["reference", "cpu"] as const) {
  Deno.test(`createEvaluatorPool() gives the results of createEvaluator() with any number of workers, device ${device}`, async () => {
    const { model } = await loadLlavaFixture("llava_a", createBackend(device));
    // More workers than batches: some have nothing to do.
    for (const count of [1, 2, 3, 40]) {
      using pool = createPool(count, { device });
      for (const ranking of RANKINGS) {
        const evaluate = pool.createEvaluator(set, { ranking });
        const alone = createEvaluator(model, set, { ranking });
        for (const keep of [[16, 16, 16, 16], [16, 7, 7, 7], [16, 7, 3, 3]]) {
          const schedule = fromKeepCounts(keep, 16);
          const { samples, total } = await evaluate(schedule, {
            fixedLayers: 1,
          });
          assertEquals(samples, byIndex(await alone(schedule)));
          assertEquals(total, set.samples.length);
        }
      }
    }
  });
}

Deno.test("createEvaluatorPool() refuses counts that are none", () => {
  for (const count of [0, 1.5, NaN]) {
    assertThrows(
      () => createPool(count),
      RangeError,
      `count must be an integer of 1 or more: current value is ${count}`,
    );
  }
});

Deno.test("createEvaluatorPool() stores weights as it is told", async () => {
  for (const device of ["reference", "cpu"] as const) {
    const evaluate = async (weightType: WeightType) => {
      const backend = createBackend(device, { weightType });
      const { model } = await loadLlavaFixture("llava_a", backend);
      using pool = createPool(1, { device, weightType });
      const { samples } = await pool.createEvaluator(set)(keepAll(model));
      const alone = await createEvaluator(model, set)(keepAll(model));
      assertEquals(samples, byIndex(alone));
      return samples;
    };
    assertNotEquals(await evaluate("int4"), await evaluate("f32"));
  }
});

Deno.test("createEvaluatorPool() reads for each worker what the model needs, one tensor at a time", async () => {
  const { config, tensors } = source;
  const stray = "vision_tower.vision_model.embeddings.position_ids";
  const extra = new Map([...tensors.tensors, [stray, { shape: [17] }]]);
  const reads: string[] = [];
  let [open, most] = [0, 0];
  const reading = {
    tensors: extra,
    async read(name: string): Promise<Float32Array> {
      if (name === stray) throw new TypeError("it holds integers");
      reads.push(name);
      most = Math.max(most, ++open);
      // Another worker's turn.
      await new Promise((resolve) => setTimeout(resolve));
      open--;
      return await tensors.read(name);
    },
  };
  using pool = createEvaluatorPool({ ...source, tensors: reading }, 2, {
    device: "reference",
  });
  assertEquals(reads, []);
  const { samples } = await pool.createEvaluator(set)(keepAll(model));
  assertEquals(
    samples,
    byIndex(await createEvaluator(model, set)(keepAll(model))),
  );
  assert(most <= 2, `${most} at once`);
  const unused = config.vision.layers - config.vision.featureLayers;
  assert(unused > 0);
  const { featureLayers } = config.vision;
  assert(
    !reads.some((name) => name.includes(`encoder.layers.${featureLayers}`)),
  );
  assertEquals(reads.length, 2 * new Set(reads).size);
});

Deno.test("createEvaluatorPool() rejects with why a tensor cannot be read", async () => {
  const reading = {
    tensors: source.tensors.tensors,
    read: () => Promise.reject(new TypeError("it holds integers")),
  };
  using pool = createEvaluatorPool({ ...source, tensors: reading }, 2, {
    device: "reference",
  });
  await assertRejects(
    () => pool.createEvaluator(set)(keepAll(model)),
    TypeError,
    "it holds integers",
  );
});

Deno.test("createEvaluatorPool() rejects with an error that cannot be copied to a worker", async () => {
  const error = new Error("the disk is gone", { cause: () => {} });
  const reading = {
    tensors: source.tensors.tensors,
    read: () => Promise.reject(error),
  };
  using pool = createEvaluatorPool({ ...source, tensors: reading }, 1, {
    device: "reference",
  });
  await assertRejects(
    () => pool.createEvaluator(set)(keepAll(model)),
    Error,
    "the disk is gone",
  );
});

Deno.test("createEvaluatorPool() stops all workers, and counts nothing after that", async () => {
  using pool = createPool(2);
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
  // The next run is whole again, and what was still under way went nowhere.
  assertEquals(await evaluate(keepAll(model)), whole);
  assertEquals(samples.length, 5);
});

Deno.test("createEvaluatorPool() rejects with the signal's reason, and goes on after that", async () => {
  using pool = createPool(2);
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
  using pool = createPool(2);
  const evaluate = pool.createEvaluator(set);
  await assertRejects(
    () => evaluate(fromKeepCounts([16, 16], 16)),
    RangeError,
    "must have 4 layers",
  );
  const { samples } = await evaluate(keepAll(model));
  assertEquals(samples.length, set.samples.length);
});

Deno.test("createEvaluatorPool() runs evaluations that overlap as if they did not", async () => {
  using pool = createPool(2);
  const a = pool.createEvaluator(set, { batchSize: 2 });
  const b = pool.createEvaluator(set, { batchSize: 3, ranking: "last" });
  const schedules = [[16, 16, 16, 16], [16, 7, 7, 7], [16, 9, 3, 3]]
    .map((keep) => fromKeepCounts(keep, 16));
  const calls = schedules.flatMap((schedule) =>
    [a, b].map((evaluate) => () => evaluate(schedule, { fixedLayers: 2 }))
  );
  const overlapping = await Promise.all(calls.map((call) => call()));
  for (const [i, call] of calls.entries()) {
    assertEquals(overlapping[i], await call());
  }
});

Deno.test("createEvaluatorPool() rejects what is going on when it is disposed, and what comes after", async () => {
  const pool = createPool(2);
  const evaluate = pool.createEvaluator(set, {
    batchSize: 1,
    onProgress: (done) => {
      if (done === 3) pool[Symbol.dispose]();
    },
  });
  for (const when of ["during", "after"]) {
    await assertRejects(
      () => evaluate(keepAll(model)),
      Error,
      "Cannot evaluate as the pool was disposed",
      when,
    );
  }
});

// The pool gives what one evaluator gives, however many workers share the work.

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { fromKeepCounts, RANKINGS, type WeightType } from "../core/mod.ts";
import {
  createBackend,
  createEvaluator,
  createEvaluatorPool,
  type Evaluation,
  type PoolOptions,
  type Sample,
  type SampleSet,
} from "../eval/mod.ts";
import { keepAll, loadLlavaFixture } from "./_llava.ts";
import { noise } from "./_random.ts";

const { model, source } = await loadLlavaFixture("llava_a");
const set: SampleSet = {
  images: [0, 1, 2].map((seed) => [
    noise(seed, source.config.vision.imageSize),
  ]),
  samples: Array.from({ length: 20 }, (_, i): Sample => ({
    image: (i * i) % 3,
    prompt: { before: [1], after: i % 4 === 0 ? [5, i] : [6, i, 7] },
    // of one token or of two
    answer: i % 3 === 0 ? [5 + i] : [5 + i, 4 + i],
  })),
};
const createPool = (count: number, options: PoolOptions = {}) =>
  createEvaluatorPool(source, count, { device: "reference", ...options });
const byIndex = ({ samples }: Evaluation) =>
  samples.toSorted((a, b) => a.index - b.index);

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

const WORKER = new URL("../eval/worker.ts", import.meta.url);
const MORTAL = new URL("./_mortal_worker.ts", import.meta.url);
const startWorker = (url: URL): Worker => new Worker(url, { type: "module" });

Deno.test("createEvaluatorPool() replaces workers that die and gives the results of an undisturbed run", async (t) => {
  const schedule = fromKeepCounts([16, 9, 7, 2], 16);
  const options = { batchSize: 2, ranking: "random" } as const;
  const undisturbed = byIndex(
    await createEvaluator(model, set, options)(schedule),
  );
  /** Ways to die in mid-run, with or without an event that tells of it. */
  const deaths: Record<string, (worker: Worker) => void> = {
    "by an error": (worker) => worker.postMessage({ kind: "throw" }),
    "silently": (worker) => worker.postMessage({ kind: "close" }),
    "terminated": (worker) => worker.terminate(),
    "mute": (worker) => {
      worker.dispatchEvent(new MessageEvent("messageerror"));
    },
  };
  for (const [how, kill] of Object.entries(deaths)) {
    await t.step(how, async () => {
      const workers: Worker[] = [];
      // The first one, from its first word on.
      let mayDie = false;
      const onFirstWord = (): void => {
        mayDie = true;
      };
      using pool = createPool(2, {
        createWorker: () => {
          const worker = startWorker(MORTAL);
          if (workers.push(worker) === 1) {
            worker.addEventListener("message", onFirstWord, { once: true });
          }
          return worker;
        },
      });
      const done: number[] = [];
      const evaluate = pool.createEvaluator(set, {
        ...options,
        onProgress: (samples) => {
          done.push(samples);
          if (mayDie && done.length >= 3) {
            mayDie = false;
            kill(workers[0]);
          }
        },
      });
      // Were a death not noticed, the run would never end.
      const signal = AbortSignal.timeout(60_000);
      const { samples } = await evaluate(schedule, { signal });
      assertEquals(samples, undisturbed);
      assertEquals(workers.length, 3);
      // Once each, although batches that were under way ran again.
      assertEquals(done, [...new Set(done)]);
      assertEquals(done.at(-1), set.samples.length);
      // The new worker knows what the old one knew.
      assertEquals((await evaluate(schedule)).samples, undisturbed);
      assertEquals(workers.length, 3);
    });
  }
});

Deno.test("createEvaluatorPool() replaces a worker that died between two runs", async () => {
  const workers: Worker[] = [];
  using pool = createPool(1, {
    createWorker: () => workers[workers.push(startWorker(MORTAL)) - 1],
  });
  const evaluate = pool.createEvaluator(set);
  const before = await evaluate(keepAll(model));
  workers[0].terminate();
  assertEquals(await evaluate(keepAll(model)), before);
  assertEquals(workers.length, 2);
});

Deno.test("createEvaluatorPool() gives up when workers die without getting anywhere, and says of what", async () => {
  let started = 0;
  let url = new URL("data:text/javascript,throw new Error('out of memory')");
  using pool = createPool(1, {
    createWorker: () => {
      started++;
      return startWorker(url);
    },
  });
  const evaluate = pool.createEvaluator(set);
  const error = await assertRejects(() => evaluate(keepAll(model)), Error);
  assertMatch(
    error.message,
    /^Cannot go on as 4 workers died one after the other: .*out of memory$/,
  );
  assertEquals(started, 4);
  // What was wrong may have been put right since.
  url = WORKER;
  const { samples } = await evaluate(keepAll(model));
  assertEquals(samples.length, set.samples.length);
  assertEquals(started, 5);
});

Deno.test("createEvaluatorPool() rejects when no worker can be started at all", async () => {
  using pool = createPool(2, {
    createWorker: () => {
      throw new Error("no more threads");
    },
  });
  await assertRejects(
    () => pool.createEvaluator(set)(keepAll(model)),
    Error,
    "no more threads",
  );
});

// The evaluator on fixture llava_a: what it caches must change nothing, save
// work, and cost no memory from trial to trial.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Backend,
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  fromKeepCounts,
  nextTokenLogits,
  RANKINGS,
  type ReductionOptions,
  runDecoder,
  type Schedule,
  sharesPrefixes,
  type VisionLanguageModel,
} from "../core/mod.ts";
import {
  argmax,
  createEvaluator,
  type Evaluate,
  type Evaluation,
  type Sample,
  type SampleSet,
} from "../eval/mod.ts";
import { gSearch } from "../search/mod.ts";
import { keepAll, loadLlavaFixture } from "./_llava.ts";
import { noise, randomInteger, seededRandom } from "./_random.ts";
import { SMALL } from "./_small_model.ts";
import {
  createTrackingBackend,
  type TrackingBackend,
} from "./_tracking_backend.ts";

const { layers: L, visionTokens: N } = SMALL;

/** 3 images and 21 samples of two prompt lengths, so batches of 8, 6 and 7. */
const set: SampleSet = {
  images: [0, 1, 2].map((seed) => [noise(seed, SMALL.imageSize)]),
  samples: Array.from({ length: 21 }, (_, i): Sample => {
    const random = seededRandom(i);
    const word = () => randomInteger(random, 4, SMALL.vocabulary - 1);
    return {
      image: randomInteger(random, 0, 2),
      prompt: {
        before: [1, word()],
        after: i % 3 === 0 ? [word(), word()] : [word(), word(), word()],
      },
      answer: [word()],
    };
  }),
};

async function smallModel(backend?: Backend): Promise<VisionLanguageModel> {
  return (await loadLlavaFixture("llava_a", backend)).model;
}

const schedule = (...keep: number[]): Schedule => fromKeepCounts(keep, N);

/** One call of an evaluator. */
interface Call {
  readonly schedule: Schedule;
  readonly fixedLayers: number;
}

/** Schedules as G-Search asks for them, to random verdicts. */
async function searchCalls(seed: number): Promise<Call[]> {
  const random = seededRandom(seed);
  const calls: Call[] = [];
  const verdictByChance: Evaluate = (schedule, { fixedLayers = 0 } = {}) => {
    calls.push({ schedule, fixedLayers });
    const correct = calls.length === 1 || random() < 0.6;
    return Promise.resolve({
      samples: [{ index: 0, correct, loss: 1 }],
      total: 1,
    });
  };
  const search = gSearch(verdictByChance, {
    layers: L,
    visionTokens: N,
    firstLayer: 1,
    criterion: { kind: "accuracy", epsilon: 0 },
  });
  while (!(await search.next()).done);
  return calls;
}

/** A sample alone, step by step, with nothing kept from one to the next. */
async function runAlone(
  model: VisionLanguageModel,
  index: number,
  schedule: Schedule,
  reduction: ReductionOptions,
): Promise<{ index: number; correct: boolean; loss: number }> {
  const { image, prompt, answer: [answer] } = set.samples[index];
  const state = embedPrompts(
    model,
    embedTiles(model, [set.images[image]]),
    [prompt],
    reduction.ranking === "random" ? [index] : undefined,
  );
  const left = runDecoder(model, state, schedule, reduction);
  const logits = await model.backend.read(nextTokenLogits(model, left));
  const weights = [...logits].map(Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  return {
    index,
    correct: argmax(logits) === answer,
    loss: -Math.log(weights[answer] / sum),
  };
}

const byIndex = ({ samples }: Evaluation) =>
  samples.toSorted((a, b) => a.index - b.index);

Deno.test("createEvaluator() gives each sample what it gets when run alone", async () => {
  const model = await smallModel();
  for (const ranking of RANKINGS) {
    for (const positions of ["original", "reindexed"] as const) {
      const options = { ranking, positions };
      const evaluate = createEvaluator(model, set, options);
      for (const reduced of [keepAll(model), schedule(16, 11, 5, 5)]) {
        const { samples, total } = await evaluate(reduced);
        assertEquals(total, set.samples.length);
        assertEquals(
          new Set(samples.map(({ index }) => index)).size,
          set.samples.length,
        );
        for (const { index, correct, loss } of samples) {
          const alone = await runAlone(model, index, reduced, options);
          assertEquals(correct, alone.correct);
          // Logits are equal; their softmax is summed in another way.
          assert(Math.abs(loss - alone.loss) < 1e-12, `sample ${index}`);
        }
      }
    }
  }
});

Deno.test("createEvaluator()'s cache changes nothing, whatever schedules follow each other", async () => {
  const model = await smallModel();
  for (const ranking of RANKINGS) {
    const cached = createEvaluator(model, set, { ranking });
    const uncached = createEvaluator(model, set, { ranking, cache: false });
    const calls: Call[] = [
      ...await searchCalls(1),
      // layers below `fixedLayers` that are not those of the call before
      { schedule: schedule(16, 9, 3, 2), fixedLayers: 3 },
      { schedule: schedule(16, 8, 3, 2), fixedLayers: 3 },
      // fewer fixed layers than were cached, then none, then all
      { schedule: schedule(16, 8, 7, 2), fixedLayers: 2 },
      { schedule: schedule(16, 8, 7, 1), fixedLayers: 0 },
      { schedule: schedule(16, 8, 7, 1), fixedLayers: L },
      ...await searchCalls(2),
    ];
    for (const { schedule, fixedLayers } of calls) {
      assertEquals(
        await cached(schedule, { fixedLayers }),
        await uncached(schedule),
        `${ranking}: [${schedule.keep}] with ${fixedLayers} fixed`,
      );
    }
  }
});

Deno.test("createEvaluator()'s cache survives trials that end early", async () => {
  const model = await smallModel();
  const cached = createEvaluator(model, set);
  const uncached = createEvaluator(model, set, { cache: false });
  // The second and third batch miss calls, and what was fixed in them.
  for (
    const [i, { schedule, fixedLayers }] of (await searchCalls(3)).entries()
  ) {
    const stop = i % 3 > 0 ? () => true : () => false;
    assertEquals(
      await cached(schedule, { fixedLayers, stop }),
      await uncached(schedule, { stop }),
    );
  }
});

/** Fixture llava_a, and how many rows went through each of its layers. */
async function countingModel(): Promise<
  { model: VisionLanguageModel; rows: number[] }
> {
  const reference = createReferenceBackend();
  const rows: number[] = Array(L).fill(0);
  const model: VisionLanguageModel = await smallModel({
    ...reference,
    rmsNorm(x, weight, epsilon) {
      const layer = model.decoder.layers.findIndex(({ attentionNorm }) =>
        attentionNorm === weight
      );
      if (layer >= 0) rows[layer] += x.shape[0] * x.shape[1];
      return reference.rmsNorm(x, weight, epsilon);
    },
  });
  return { model, rows };
}

Deno.test("createEvaluator() runs no layer before the fixed ones again", async () => {
  const { model, rows } = await countingModel();
  const layersRun = async (
    evaluate: Evaluate,
    keep: number[],
    fixedLayers: number,
  ): Promise<number[]> => {
    rows.fill(0);
    await evaluate(schedule(...keep), { fixedLayers });
    return [...rows.keys()].filter((layer) => rows[layer] > 0);
  };

  const evaluate = createEvaluator(model, set);
  assertEquals(await layersRun(evaluate, [16, 16, 16, 16], 0), [0, 1, 2, 3]);
  // The first trial at a layer runs all layers once, to fill the cache there.
  assertEquals(await layersRun(evaluate, [16, 8, 8, 8], 1), [0, 1, 2, 3]);
  assertEquals(await layersRun(evaluate, [16, 4, 4, 4], 1), [1, 2, 3]);
  assertEquals(await layersRun(evaluate, [16, 6, 6, 6], 1), [1, 2, 3]);
  assertEquals(await layersRun(evaluate, [16, 6, 3, 3], 2), [1, 2, 3]);
  assertEquals(await layersRun(evaluate, [16, 6, 1, 1], 2), [2, 3]);
  assertEquals(await layersRun(evaluate, [16, 6, 2, 0], 3), [2, 3]);
  assertEquals(await layersRun(evaluate, [16, 6, 2, 1], 3), [3]);
  // The last layer is never cached.
  assertEquals(await layersRun(evaluate, [16, 6, 2, 1], 4), [3]);
  // Deeper than what is fixed, the cache is of no use; prefixes are.
  assertEquals(await layersRun(evaluate, [16, 6, 1, 1], 2), [0, 1, 2, 3]);

  const uncached = createEvaluator(model, set, { cache: false });
  assertEquals(await layersRun(uncached, [16, 6, 2, 1], 3), [0, 1, 2, 3]);
  assertEquals(await layersRun(uncached, [16, 6, 2, 1], 3), [0, 1, 2, 3]);
});

Deno.test("createEvaluator() runs unreduced layers once per image, and else only the words", async () => {
  const { model, rows } = await countingModel();
  const before = [1, 2];
  const shared = {
    images: set.images,
    samples: set.samples.map((sample) => ({
      ...sample,
      prompt: { before, after: sample.prompt.after },
    })),
  };
  const prefix = shared.images.length * (before.length + N);
  const words = set.samples.reduce((sum, s) => sum + s.prompt.after.length, 0);
  const joint = (keep: number) => 21 * (before.length + keep) + words;

  for (const batchSize of [1, 8]) {
    const evaluate = createEvaluator(model, shared, { batchSize });
    rows.fill(0);
    await evaluate(schedule(16, 16, 5, 5));
    // In the last layer, the last token's norm is taken twice.
    assertEquals(rows, [
      prefix + words,
      prefix + words,
      joint(5),
      joint(5) + 21,
    ]);
    rows.fill(0);
    await evaluate(schedule(16, 16, 4, 4));
    assertEquals(rows, [words, words, joint(4), joint(4) + 21]);
  }
});

Deno.test("createEvaluator() computes the vision tokens of an image once", async () => {
  const reference = createReferenceBackend();
  let towers = 0;
  const model = await smallModel({
    ...reference,
    attention(q, k, v, spec) {
      if (!spec.causal) towers++;
      return reference.attention(q, k, v, spec);
    },
  });
  const evaluate = createEvaluator(model, set);
  await evaluate(keepAll(model));
  await evaluate(schedule(16, 4, 4, 4));
  const { featureLayers } = model.config.vision;
  assertEquals(towers, set.images.length * featureLayers);
});

Deno.test("createEvaluator() stops after the batch where `stop` says so, and asks again next time", async () => {
  const model = await smallModel();
  const evaluate = createEvaluator(model, set);
  const whole = byIndex(await evaluate(keepAll(model)));
  const seen: number[] = [];
  const partial = await evaluate(keepAll(model), {
    stop: ({ samples, total }) => {
      assertEquals(total, set.samples.length);
      return seen.push(samples.length) === 2;
    },
  });
  assertEquals(seen.length, 2);
  assertEquals(partial.total, set.samples.length);
  assertEquals(partial.samples.length, seen[1]);
  assert(seen[1] < set.samples.length);
  assertEquals(
    byIndex(partial),
    whole.filter(({ index }) => partial.samples.some((s) => s.index === index)),
  );
  assertEquals(byIndex(await evaluate(keepAll(model))), whole);
});

Deno.test("createEvaluator() begins with the batches that were hardest in the last complete run", async () => {
  const model = await smallModel();
  const evaluate = createEvaluator(model, set, { batchSize: 1 });
  const first = await evaluate(schedule(16, 5, 5, 5));
  const second = await evaluate(keepAll(model), { stop: () => false });
  assertEquals(
    second.samples.map(({ index }) => index),
    first.samples.toSorted((a, b) => b.loss - a.loss)
      .map(({ index }) => index),
  );
});

Deno.test("createEvaluator() calls samples by their numbers where they have one", async () => {
  const model = await smallModel();
  const reduced = schedule(16, 7, 3, 3);
  const options = { ranking: "random" } as const;
  const whole = byIndex(await createEvaluator(model, set, options)(reduced));
  // Every third sample: a part of the set gives that part of the results.
  const part = {
    images: set.images,
    samples: set.samples.map((sample, number) => ({ ...sample, number }))
      .filter(({ number }) => number % 3 === 1),
  };
  assertEquals(
    byIndex(await createEvaluator(model, part, options)(reduced)),
    whole.filter(({ index }) => index % 3 === 1),
  );
});

Deno.test("createEvaluator() reports its progress, batch by batch", async () => {
  const done: [number, number][] = [];
  const model = await smallModel();
  const evaluate = createEvaluator(model, set, {
    onProgress: (...progress) => done.push(progress),
  });
  await evaluate(keepAll(model));
  // In the order of first samples: 7 short prompts, 8 and then 6 long ones.
  assertEquals(done, [[7, 21], [15, 21], [21, 21]]);

  done.length = 0;
  await createEvaluator(model, set, {
    batchSize: 5,
    onProgress: (...progress) => done.push(progress),
  })(keepAll(model));
  assertEquals(done.map(([done]) => done), [5, 10, 15, 17, 21]);
});

Deno.test("createEvaluator() rejects with the signal's reason, before and between batches", async () => {
  const model = await smallModel();
  const reason = new Error("enough");
  let batches = 0;
  const evaluate = createEvaluator(model, set, {
    onProgress() {
      batches++;
      // a batch that takes its time
      const end = performance.now() + 30;
      while (performance.now() < end);
    },
  });
  await assertRejects(
    () => evaluate(keepAll(model), { signal: AbortSignal.abort(reason) }),
    Error,
    "enough",
  );
  assertEquals(batches, 0);

  const controller = new AbortController();
  // A timer stands for whatever waits for its turn, such as Ctrl-C.
  setTimeout(() => controller.abort(reason));
  await assertRejects(
    () => evaluate(keepAll(model), { signal: controller.signal }),
    Error,
    "enough",
  );
  assertEquals(batches, 1);
  // An interrupted call leaves nothing behind.
  const fresh = createEvaluator(model, set);
  assertEquals(
    byIndex(await evaluate(schedule(16, 5, 5, 5), { fixedLayers: 1 })),
    byIndex(await fresh(schedule(16, 5, 5, 5))),
  );
});

Deno.test("createEvaluator() ranks at random per sample, whoever shares its batch", async () => {
  const model = await smallModel();
  const reduced = schedule(16, 7, 3, 3);
  const options = { ranking: "random" } as const;
  const whole = byIndex(await createEvaluator(model, set, options)(reduced));
  // The same first samples, in other batches.
  const some = { images: set.images, samples: set.samples.slice(0, 10) };
  assertEquals(
    byIndex(await createEvaluator(model, some, options)(reduced)),
    whole.slice(0, 10),
  );
  // And it is not the ranking by attention under another name.
  const ranked = byIndex(await createEvaluator(model, set)(reduced));
  assert(whole.some(({ loss }, i) => loss !== ranked[i].loss));
});

Deno.test("createEvaluator() rejects a schedule of another depth, and is none the worse for it", async () => {
  const backend = createTrackingBackend(createReferenceBackend());
  const model = await smallModel(backend);
  for (const cache of [true, false]) {
    const evaluate = createEvaluator(model, set, { cache });
    const whole = byIndex(await evaluate(keepAll(model)));
    const live = backend.live();
    for (const fixedLayers of [0, 1]) {
      await assertRejects(
        () => evaluate(schedule(16, 16), { fixedLayers }),
        RangeError,
        "must have 4 layers",
      );
    }
    assert(backend.live() <= live);
    assertEquals(byIndex(await evaluate(keepAll(model))), whole);
  }
});

/** Live tensors after each call. */
async function liveAfterEach(
  backend: TrackingBackend,
  evaluate: Evaluate,
  calls: readonly Call[],
): Promise<number[]> {
  const live: number[] = [];
  for (const { schedule, fixedLayers } of calls) {
    await evaluate(schedule, { fixedLayers });
    live.push(backend.live());
  }
  return live;
}

Deno.test("createEvaluator() frees what it makes and uses nothing that was freed", async () => {
  for (const ranking of RANKINGS) {
    for (const positions of ["original", "reindexed"] as const) {
      const backend = createTrackingBackend(createReferenceBackend());
      const model = await smallModel(backend);
      const weights = backend.live();
      const calls = await searchCalls(1);
      const beginnings = new Set(
        set.samples.map(({ image, prompt }) => `${image} ${prompt.before}`),
      );

      // Without a cache, vision tokens remain, and what samples begin with:
      // hidden states, position ids, and keys and values of each layer.
      const reduction = { ranking, positions };
      const bare = createEvaluator(model, set, { ...reduction, cache: false });
      const afterBare = await liveAfterEach(backend, bare, calls);
      calls.forEach(({ schedule: { keep } }, i) => {
        const depth = sharesPrefixes(ranking)
          ? Math.min(keep.filter((k) => k === N).length, L - 1)
          : 0;
        const expected = weights + set.images.length +
          beginnings.size * (2 + 2 * depth);
        assertEquals(afterBare[i], expected);
      });

      // With one, a state for each of 3 batches as well: hidden states, position
      // ids, scores, and who asks.
      const tensors = ranking === "raters" ? 4 : 3;
      const cached = createEvaluator(model, set, reduction);
      const afterCached = await liveAfterEach(backend, cached, calls);
      const most = 2 * Math.max(...afterBare) - weights + 3 * tensors;
      assert(Math.max(...afterCached) <= most, `${afterCached}`);
    }
  }
});

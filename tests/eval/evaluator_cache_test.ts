// What the evaluator keeps must change nothing, save work, and cost no memory
// from trial to trial.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  createReferenceBackend,
  RANKINGS,
  type Schedule,
  sharesPrefixes,
  type VisionLanguageModel,
} from "../../core/mod.ts";
import {
  createEvaluator,
  createEvaluators,
  type Evaluate,
} from "../../eval/mod.ts";
import { gSearch } from "../../search/mod.ts";
import { byIndex, schedule, set, smallModel } from "../_evaluator.ts";
import { keepAll } from "../_llava.ts";
import { seededRandom } from "../_random.ts";
import { SMALL } from "../_small_model.ts";
import {
  createTrackingBackend,
  type TrackingBackend,
} from "../_tracking_backend.ts";

const { layers: L, visionTokens: N } = SMALL;

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

Deno.test("createEvaluators() frees what it holds when it is disposed, and rejects what is going on", async () => {
  const backend = createTrackingBackend(createReferenceBackend());
  const model = await smallModel(backend);
  const before = backend.live();
  const evaluators = createEvaluators(model);
  const evaluate = evaluators.createEvaluator(set, {
    batchSize: 1,
    onProgress: (done) => {
      if (done === 4) evaluators[Symbol.dispose]();
    },
  });
  for (const when of ["during", "after"]) {
    await assertRejects(
      () => evaluate(keepAll(model)),
      Error,
      "Cannot evaluate as the evaluators were disposed",
      when,
    );
    assertEquals(backend.live(), before);
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

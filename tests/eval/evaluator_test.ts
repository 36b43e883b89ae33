// The evaluator on fixture llava_a: what it gives, in which order, and when it
// ends.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  embedPrompts,
  embedTiles,
  nextTokenLogits,
  RANKINGS,
  type ReductionOptions,
  runDecoder,
  type Schedule,
  type VisionLanguageModel,
} from "../../core/mod.ts";
import { argmax, createEvaluator } from "../../eval/mod.ts";
import { byIndex, schedule, set, smallModel } from "../_evaluator.ts";
import { keepAll } from "../_llava.ts";

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

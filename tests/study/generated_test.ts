// Answers that a model generates, in batches and in workers, and the benchmarks'
// measures of them.

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import {
  chooseMetric,
  type MetricChoice,
  type MetricName,
  scoreGenerated,
} from "../../study/metrics.ts";
import {
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  fromKeepCounts,
  generate,
  prefill,
} from "../../core/mod.ts";
import {
  createEvaluator,
  createEvaluatorPool,
  type SampleResult,
  type SampleSet,
} from "../../eval/mod.ts";
import type { DatasetFormat, Question, Tokenizer } from "../../io/mod.ts";
import { loadLlavaFixture } from "../_llava.ts";
import { createTrackingBackend } from "../_tracking_backend.ts";

const tracking = createTrackingBackend(createReferenceBackend());
const { model, source, images, prompts } = await loadLlavaFixture(
  "llava_a",
  tracking,
);
const set: SampleSet = {
  images: images.map((image) => [image]),
  samples: [0, 1, 0].map((image, i) => ({
    image,
    prompt: { ...prompts[i % 2], before: prompts[0].before },
    answer: [5 + i, 6],
  })),
};
const schedule = fromKeepCounts([16, 12, 8, 3], 16);

/** What a sample says, generated alone. */
async function sayAlone(
  index: number,
  stopTokens: readonly number[],
): Promise<number[]> {
  const { image, prompt } = set.samples[index];
  const tokens = embedTiles(model, [set.images[image]]);
  const state = embedPrompts(model, tokens, [prompt]);
  const said: number[] = [];
  const options = { stopTokens, maxTokens: 6 };
  for await (
    const id of generate(model, prefill(model, state, schedule), options)
  ) {
    said.push(id);
  }
  return said;
}

Deno.test("createEvaluator() generates answers, beside what it always gives", async () => {
  const whole = await Promise.all([0, 1, 2].map((i) => sayAlone(i, [])));
  // One of them stops in the middle, the others when and if they come to it.
  const stopTokens = [whole[1][2]];
  const expected = await Promise.all(
    [0, 1, 2].map((i) => sayAlone(i, stopTokens)),
  );
  assert(expected[1].length < 3);
  const limits = { stopTokens, maxTokens: 6 };
  const evaluate = createEvaluator(model, set, { generate: limits });
  const silent = createEvaluator(model, set);
  const { samples } = await evaluate(schedule);
  assertEquals(
    samples.map(({ index, generated }) => ({ index, generated })),
    expected.map((generated, index) => ({ index, generated })),
  );
  assertEquals<readonly SampleResult[]>(
    samples.map(({ generated: _, ...result }) => result),
    (await silent(schedule)).samples,
  );
  // Nothing of it is kept.
  const before = tracking.live();
  await evaluate(schedule);
  assertEquals(tracking.live(), before);

  using pool = createEvaluatorPool(source, 2, { device: "reference" });
  const inPool = pool.createEvaluator(set, { generate: limits });
  assertEquals((await inPool(schedule)).samples, samples);
});

const tokenizer: Pick<Tokenizer, "decode"> = {
  decode: ([index]) => ANSWERS[index],
};
/** Texts of "tokens". */
let ANSWERS: string[] = [];

function score(
  metric: MetricName,
  answers: string[],
  questions: Partial<Question>[],
): number {
  ANSWERS = answers;
  return scoreGenerated(metric, {
    // In any order.
    samples: answers.map((_, index) => ({
      index,
      generated: [index],
      correct: false,
      loss: 0,
    })).reverse(),
    total: answers.length,
  }, {
    dataset: { questions: questions as Question[] },
    tokenizer: tokenizer as Tokenizer,
  });
}

Deno.test("scoreGenerated() measures as each benchmark does", () => {
  const people = ["yes", "yes", "no", ...Array(7).fill("maybe")];
  assertAlmostEquals(
    score("vqa", [" Maybe.", "no"], [{ answers: people }, { answers: people }]),
    (1 + 0.3) / 2,
  );
  assertEquals(
    score("gqa", ["Dog.", "cat"], [{ answers: ["dog"] }, { answers: ["dog"] }]),
    0.5,
  );
  const choices = ["cat", "dog"];
  assertEquals(
    score("choice", ["B. dog", "cat", "(b)", "C"], [
      { answers: ["B"], choices },
      { answers: ["A"], choices },
      { answers: ["A"], choices },
      { answers: ["A"], choices },
    ]),
    0.5,
  );
  // Each benchmark has its own rule.
  const letter = [{ answers: ["B"], choices }];
  assertEquals(score("choice", ["**B**"], letter), 1);
  assertEquals(score("scienceqa", ["**B**"], letter), 0);
  assertEquals(score("scienceqa", ["B. dog"], letter), 1);
  assertEquals(
    score("relaxed", ["104", "106"], [{ answers: ["100"] }, {
      answers: ["100"],
    }]),
    0.5,
  );
  assertEquals(
    score("anls", ["a cat", "a bat"], [{ answers: ["a cat"] }, {
      answers: ["x", "a cat"],
    }]),
    (1 + 0.8) / 2,
  );
  // one true positive, one false positive, one false negative
  assertEquals(
    score("pope", ["Yes", "yes", "No, it is not.", "no"], [
      { answers: ["yes"] },
      { answers: ["no"] },
      { answers: ["yes"] },
      { answers: ["no"] },
    ]),
    0.5,
  );
  // three of four, and one of two images
  assertEquals(
    score("mme", ["Yes", "No", "yes", "yes"], [
      { image: "a", answers: ["yes"] },
      { image: "a", answers: ["no"] },
      { image: "b", answers: ["yes"] },
      { image: "b", answers: ["no"] },
    ]),
    125,
  );
  assertEquals(
    score("exact", [" a cat", "A cat"], [{ answers: ["x", "a cat"] }, {
      answers: ["a cat"],
    }]),
    0.5,
  );
});

Deno.test("chooseMetric() takes the benchmark's where answers have several tokens", () => {
  const choose = (
    choice: MetricChoice,
    format: DatasetFormat | null,
    answer: number[],
    choices?: string[],
  ) => {
    const question: Question = {
      id: "1",
      image: "a",
      question: "?",
      answers: ["x"],
      ...choices && { choices },
    };
    const dataset = format && { format, questions: [question] };
    const [{ prompt }] = set.samples;
    return chooseMetric(choice, {
      images: set.images,
      samples: [{ image: 0, prompt, answer }],
      kinds: ["all"],
      texts: [],
      dataset,
    });
  };
  assertEquals(choose("auto", "gqa", [5, 6]), "gqa");
  assertEquals(choose("auto", "jsonl", [5, 6]), "exact");
  assertEquals(choose("auto", "gqa", [5]), null);
  assertEquals(choose("auto", null, [5, 6]), null);
  assertEquals(choose("none", "gqa", [5, 6]), null);
  assertEquals(choose("vqa", "gqa", [5]), "vqa");
  assertThrows(() => choose("vqa", null, [5]), RangeError, "from a file");
  assertThrows(() => choose("choice", "gqa", [5]), RangeError, "have choices");
  assertThrows(() => choose("mme", "gqa", [5]), RangeError, "2 answers");
  assertEquals(choose("auto", "jsonl", [5, 6], ["a", "b"]), "choice");
  for (const format of ["ai2d", "mmbench"] as const) {
    assertEquals(choose("auto", format, [5, 6], ["a", "b"]), "choice");
  }
  assertEquals(choose("auto", "scienceqa", [5, 6], ["a", "b"]), "scienceqa");
  assertThrows(
    () => choose("scienceqa", "gqa", [5]),
    RangeError,
    "Cannot use --metric scienceqa as all questions must have choices",
  );
});

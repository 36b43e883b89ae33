// Scenes and questions as a sample set, with a tokenizer that knows nothing
// but the vocabulary.

import { assertEquals, assertNotEquals } from "@std/assert";
import {
  KINDS,
  makeQuestions,
  makeSceneSet,
  promptText,
  samplesByKind,
  type SceneSet,
  VOCABULARY,
  type WordTokenizer,
} from "../../eval/mod.ts";

const [BOS, IMAGE] = [1, 4];

/** Fails on any word that is not in the vocabulary. */
const tokenizer: WordTokenizer = {
  encode: (text) =>
    text.split(" ").map((word) => {
      const id = VOCABULARY.indexOf(word);
      if (id < 0) throw new RangeError(`no id for "${word}"`);
      return id;
    }),
};

const make = (count: number, seed = 3): SceneSet =>
  makeSceneSet(tokenizer, IMAGE, { split: "calibration", seed, count });

const words = (ids: readonly number[]): string =>
  ids.map((id) => VOCABULARY[id]).join(" ");

Deno.test("promptText() puts the image between <bos> and the question", () => {
  assertEquals(
    promptText("how many shapes ?"),
    "<bos> <image> how many shapes ?",
  );
});

Deno.test("makeSceneSet() puts questions, prompts and answers in one order", () => {
  const set = make(45);
  assertEquals(set.samples.length, 45);
  assertEquals(set.questions.length, 45);
  for (const [i, { prompt, answer }] of set.samples.entries()) {
    assertEquals(prompt.before, [BOS]);
    assertEquals(words(prompt.after), set.questions[i].words.join(" "));
    assertEquals(words(answer), set.questions[i].answer);
  }
});

Deno.test("makeSceneSet() asks what makeQuestions() asks, each of its own image", () => {
  const set = make(30);
  const scenes = makeQuestions("calibration", 3, 30);
  assertEquals(set.images.length, scenes.length);
  assertEquals(set.questions, scenes.flatMap(({ questions }) => questions));
  assertEquals(
    set.samples.map(({ image }) => image),
    scenes.flatMap(({ questions }, image) => questions.map(() => image)),
  );
  for (const [image, { scene }] of scenes.entries()) {
    const [{ width, height, data }] = set.images[image];
    assertEquals([width, height, data.length], [96, 96, 96 * 96 * 3]);
    assertEquals(data, scene.pixels);
  }
});

Deno.test("makeSceneSet() begins larger sets of a seed with smaller ones", () => {
  const [small, large] = [make(10), make(20)];
  assertEquals(large.samples.slice(0, 10), small.samples);
  assertNotEquals(make(10, 4).samples, small.samples);
});

Deno.test("samplesByKind() sorts all samples by kind and keeps their order", () => {
  const set = make(60);
  const byKind = samplesByKind(set);
  assertEquals(new Set(byKind.keys()), new Set(KINDS));
  for (const [kind, indices] of byKind) {
    assertEquals(
      indices,
      [...set.questions.keys()].filter((i) => set.questions[i].kind === kind),
    );
  }
});

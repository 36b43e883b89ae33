/**
 * The embedded task as a sample set: scenes and questions in the tokens of
 * the embedded model.
 *
 * This module is browser compatible.
 */

import { splitPrompt } from "../core/mod.ts";
import type { Sample, SampleSet } from "./batches.ts";
import {
  type Kind,
  makeQuestions,
  type Question,
  type QuestionedScene,
} from "./scene_questions.ts";
import { SCENE_SIZE, type Split } from "./scenes.ts";

/** Converts words to tokens; `io/tokenizer.ts` makes one. */
export interface WordTokenizer {
  /** Token ids of a text, special tokens written out in it included. */
  encode(text: string): number[];
}

/** A sample set that remembers its questions. */
export interface SceneSet extends SampleSet {
  /** The question of each sample, in the same order. */
  readonly questions: readonly Question[];
}

/** The prompt of a question, as in the training of the embedded model. */
export function promptText(question: string): string {
  return `<bos> <image> ${question}`;
}

/**
 * The first `count` questions of a split, ready for `createEvaluator`.
 *
 * @param imageToken the model's placeholder for an image
 */
export function makeSceneSet(
  tokenizer: WordTokenizer,
  imageToken: number,
  { split, seed, count }: { split: Split; seed: number; count: number },
): SceneSet {
  const scenes = makeQuestions(split, seed, count);
  const toSample = (question: Question, image: number): Sample => ({
    image,
    prompt: splitPrompt(
      tokenizer.encode(promptText(question.words.join(" "))),
      imageToken,
    ),
    answer: tokenizer.encode(question.answer),
  });
  return {
    images: scenes.map(({ scene: { pixels } }) => [
      { width: SCENE_SIZE, height: SCENE_SIZE, data: pixels },
    ]),
    samples: scenes.flatMap(({ questions }: QuestionedScene, image) =>
      questions.map((question) => toSample(question, image))
    ),
    questions: scenes.flatMap(({ questions }) => questions),
  };
}

/** The numbers of the samples of each kind of question. */
export function samplesByKind({ questions }: SceneSet): Map<Kind, number[]> {
  const byKind = new Map<Kind, number[]>();
  questions.forEach(({ kind }, index) => {
    byKind.set(kind, [...byKind.get(kind) ?? [], index]);
  });
  return byKind;
}

/** What tests of evaluators share: fixture llava_a, and questions to it. */

import {
  type Backend,
  fromKeepCounts,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import type {
  Evaluation,
  Sample,
  SampleResult,
  SampleSet,
} from "../eval/mod.ts";
import { loadLlavaFixture } from "./_llava.ts";
import { noise, randomInteger, seededRandom } from "./_random.ts";
import { SMALL } from "./_small_model.ts";

const { visionTokens: N } = SMALL;

/** 3 images and 21 samples of two prompt lengths, so batches of 8, 6 and 7. */
export const set: SampleSet = {
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

/** The fixture's model. */
export async function smallModel(
  backend?: Backend,
): Promise<VisionLanguageModel> {
  return (await loadLlavaFixture("llava_a", backend)).model;
}

/** A schedule of that model. */
export const schedule = (...keep: number[]): Schedule =>
  fromKeepCounts(keep, N);

/** Results in the order of their samples. */
export const byIndex = ({ samples }: Evaluation): SampleResult[] =>
  samples.toSorted((a, b) => a.index - b.index);

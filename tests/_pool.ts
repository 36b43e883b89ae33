// A small model, questions about its images, and pools that evaluate them.

import type { ModelSource, VisionLanguageModel } from "../core/mod.ts";
import {
  createEvaluatorPool,
  type Evaluation,
  type Evaluators,
  type PoolOptions,
  type Sample,
  type SampleResult,
  type SampleSet,
} from "../eval/mod.ts";
import { loadLlavaFixture } from "./_llava.ts";
import { noise } from "./_random.ts";

const fixture = await loadLlavaFixture("llava_a");

/** The model on the reference backend. */
export const model: VisionLanguageModel = fixture.model;

/** What it was made from. */
export const source: ModelSource = fixture.source;

/** Twenty questions about three images. */
export const set: SampleSet = {
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

/** A pool of so many workers on the reference backend, unless told otherwise. */
export const createPool = (
  count: number,
  options: PoolOptions = {},
): Evaluators =>
  createEvaluatorPool(source, count, { device: "reference", ...options });

/** Results in the order of the questions. */
export const byIndex = ({ samples }: Evaluation): SampleResult[] =>
  samples.toSorted((a, b) => a.index - b.index);

// models/tiny with weights in fewer bits, on some backend.

import {
  type Backend,
  createReferenceBackend,
  embedPrompts,
  embedTiles,
  fullSchedule,
  predictNextToken,
  type Prompt,
  type Tensor,
  type VisionLanguageModel,
  type WeightType,
} from "../core/mod.ts";
import type { SampleSet } from "../eval/mod.ts";
import { assertClose } from "./_compare.ts";
import { loadTiny, questions } from "./_tiny.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

/** The logits of questions to models/tiny. */
export async function logitsOn(
  backend: Backend,
  { samples, images }: SampleSet,
): Promise<Float32Array[]> {
  const model = await loadTiny(backend);
  const all: Float32Array[] = [];
  for (const { image, prompt } of samples) {
    const logits = backend.scope(() => logitsOf(model, images[image], prompt));
    all.push(await backend.read(logits));
    backend.free([logits]);
  }
  return all;
}

function logitsOf(
  model: VisionLanguageModel,
  image: SampleSet["images"][number],
  prompt: Prompt,
): Tensor {
  const { decoder: { layers }, visionTokens } = model.config;
  const tokens = embedTiles(model, [image]);
  const state = embedPrompts(model, tokens, [prompt]);
  return predictNextToken(model, state, fullSchedule(layers, visionTokens));
}

/** Tests a backend with weights of a type beside the reference with the same. */
export function testQuantized(backend: Backend, weightType: WeightType): void {
  Deno.test(`models/tiny computes what the reference with such weights does (${backend.name})`, async () => {
    const first = { ...questions, samples: questions.samples.slice(0, 1) };
    const oracle = createReferenceBackend({ weightType });
    const [actual] = await logitsOn(backend, first);
    const [expected] = await logitsOn(oracle, first);
    assertClose(actual, expected, F32_TOLERANCES.logits, "logits");
  });
}

/** models/tiny on some backend against the same on the reference. */

import { assertEquals } from "@std/assert";
import {
  type Backend,
  embedPrompts,
  embedTiles,
  fromKeepCounts,
  loadVisionLanguageModel,
  type ModelSource,
  parseModelConfig,
  parseNormalization,
  type Schedule,
  type VisionLanguageModel,
} from "../core/mod.ts";
import { makeSceneSet, type SampleSet } from "../eval/mod.ts";
import { parseTokenizer } from "../io/tokenizer.ts";
import { assertClose } from "./_compare.ts";
import { openTestTensors, readTestText } from "./_files.ts";
import { keepAll, trace } from "./_llava.ts";
import { reference } from "./_reference.ts";
import { F32_TOLERANCES } from "./_tolerance.ts";

const { hidden, logits } = F32_TOLERANCES;
const DIRECTORY = "../models/tiny";
const readText = (file: string): Promise<string> =>
  readTestText(`${DIRECTORY}/${file}`);

const source: ModelSource = {
  config: parseModelConfig(JSON.parse(await readText("config.json"))),
  normalization: parseNormalization(
    JSON.parse(await readText("preprocessor_config.json")),
  ),
  tensors: await openTestTensors(`${DIRECTORY}/model.safetensors`),
  label: "models/tiny",
};

/** Loads models/tiny. */
export const loadTiny = (backend: Backend): Promise<VisionLanguageModel> =>
  loadVisionLanguageModel(backend, source);

/** A few held-out questions. */
export const questions: SampleSet = makeSceneSet(
  parseTokenizer(await readText("tokenizer.json")),
  source.config.imageToken as number,
  { split: "heldout", seed: 0, count: 6 },
);

const oracle = await loadTiny(reference);
const N = oracle.config.visionTokens;

/** Of all kinds, by what they keep. */
export const SCHEDULES: Readonly<Record<string, Schedule>> = {
  "all vision tokens": keepAll(oracle),
  "fewer and fewer": fromKeepCounts([144, 144, 100, 71, 30, 30, 7, 1], N),
  "none from layer 3 on": fromKeepCounts([144, 144, 80, 0, 0, 0, 0, 0], N),
};

/**
 * Tests vision tokens, hidden states and scores of every layer, kept sets,
 * logits and answers, with all vision tokens and with fewer.
 */
export async function testTiny(backend: Backend): Promise<void> {
  const model = await loadTiny(backend);
  for (const [name, schedule] of Object.entries(SCHEDULES)) {
    Deno.test(`models/tiny computes what the reference does, ${name} (${backend.name})`, async () => {
      for (const { image, prompt, answer } of questions.samples.slice(0, 3)) {
        const run = async (model: VisionLanguageModel) => {
          const tokens = embedTiles(model, [questions.images[image]]);
          const state = embedPrompts(model, tokens, [prompt]);
          return {
            tokens: await model.backend.read(tokens),
            ...await trace(model, state, schedule),
          };
        };
        const expected = await run(oracle);
        const actual = await run(model);
        assertClose(actual.tokens, expected.tokens, hidden, "vision tokens");
        for (const [i, layer] of actual.layers.entries()) {
          const wanted = expected.layers[i];
          // Original position ids say which tokens are there.
          assertEquals(layer.positions, wanted.positions, `layer ${i}`);
          assertClose(layer.hidden, wanted.hidden, hidden, `layer ${i}`);
          assertClose(layer.scores, wanted.scores, hidden, `scores of ${i}`);
        }
        assertClose(actual.logits, expected.logits, logits, "logits");
        assertEquals(best(actual.logits), best(expected.logits));
        if (name === "all vision tokens") {
          assertEquals([best(actual.logits)], answer);
        }
      }
    });
  }
}

function best(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits));
}

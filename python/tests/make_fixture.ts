/**
 * Writes fixtures/tiny.json: what this project's models/tiny computes under
 * schedules, for eight held-out questions about two scenes.
 *
 *   images     RGB bytes of each scene, shape [96, 96, 3], in base64
 *   questions  image, and the token ids before and after the vision tokens
 *   runs       for each schedule and question: the vision tokens that each layer
 *              keeps, the logits after the last token, and the ids of a greedy
 *              answer of six tokens that no stop token ends
 *
 * fixtures/g_search.json is what search.ts wrote:
 *   deno run -A search.ts --device cpu --calibration 640 --heldout 640
 *
 * Run again whenever models/tiny changes:
 *   deno run -A python/tests/make_fixture.ts
 * Versions: Deno 2.9.6; the scenes have seed 0, nothing else is random.
 *
 * @module
 */

import {
  type Context,
  contextTensors,
  embedPrompts,
  embedTiles,
  extend,
  fastvSchedule,
  fromKeepCounts,
  loadVisionLanguageModel,
  prefill,
  type Prompt,
  type Ranking,
  runDecoder,
  sampleToken,
  type Schedule,
} from "../../core/mod.ts";
import { createCpuBackend } from "../../cpu/mod.ts";
import { makeSceneSet } from "../../eval/mod.ts";
import { openModelDirectory, readSchedule } from "../../io/mod.ts";

const ANSWER_TOKENS = 6;
const path = (name: string): string => new URL(name, import.meta.url).pathname;

const backend = createCpuBackend();
const { source, tokenizer } = await openModelDirectory(
  path("../../models/tiny"),
);
const model = await loadVisionLanguageModel(backend, source);
const { layers } = model.config.decoder;
const { visionTokens, imageToken } = model.config;

const set = makeSceneSet(tokenizer, imageToken as number, {
  split: "heldout",
  seed: 0,
  count: 64,
});
// Four questions about each of two scenes, of as many lengths as there are.
const questions = [0, 1].flatMap((image) => {
  const asked = set.samples.filter((sample) => sample.image === image);
  const lengths = [...new Set(asked.map(({ prompt }) => prompt.after.length))];
  const distinct = lengths.map((length) =>
    asked.find(({ prompt }) => prompt.after.length === length)!
  );
  return [...new Set([...distinct, ...asked])].slice(0, 4);
});

const gSearch = await readSchedule(path("fixtures/g_search.json"), layers);
const schedules: { name: string; schedule: Schedule; ranking: Ranking }[] = [
  {
    name: "FastV",
    schedule: fastvSchedule({ layers, visionTokens, layer: 2, keepRate: 0.25 }),
    ranking: "last",
  },
  {
    name: "three steps",
    schedule: fromKeepCounts([144, 144, 90, 90, 40, 40, 5, 5], visionTokens),
    ranking: "instruction",
  },
  { name: "G-Search", schedule: gSearch.schedule, ranking: gSearch.ranking },
];

const enter = (prompt: Prompt, image: number) =>
  embedPrompts(model, embedTiles(model, [set.images[image]]), [prompt]);

/** Numbers of the vision tokens in each layer. */
async function keptSets(
  prompt: Prompt,
  image: number,
  schedule: Schedule,
  ranking: Ranking,
): Promise<number[][]> {
  const kept = [];
  let state = enter(prompt, image);
  const first = state.vision.start;
  for (let layer = 0; layer < layers; layer++) {
    const range = { from: layer, to: layer + 1 };
    state = runDecoder(model, state, schedule, { ranking, ...range });
    const { start, length } = state.vision;
    const ids = await backend.read(state.positions);
    // Original position ids say which tokens are there.
    kept.push([...ids.subarray(start, start + length)].map((id) => id - first));
  }
  return kept;
}

/** Logits after the prompt, and the greedy answer. */
async function answer(
  prompt: Prompt,
  image: number,
  schedule: Schedule,
  ranking: Ranking,
): Promise<{ logits: number[]; answer: number[] }> {
  let context: Context = prefill(model, enter(prompt, image), schedule, {
    ranking,
  });
  let logits = await backend.read(context.logits);
  const first = [...logits];
  const ids = [sampleToken(logits)];
  while (ids.length < ANSWER_TOKENS) {
    const longer = extend(model, context, [ids.slice(-1)]).context;
    backend.free(contextTensors(context));
    context = longer;
    logits = await backend.read(context.logits);
    ids.push(sampleToken(logits));
  }
  return { logits: first, answer: ids };
}

const runs = [];
for (const { name, schedule, ranking } of schedules) {
  const samples = [];
  for (const { prompt, image } of questions) {
    samples.push({
      kept: await keptSets(prompt, image, schedule, ranking),
      ...await answer(prompt, image, schedule, ranking),
    });
  }
  runs.push({ name, ...schedule, ranking, samples });
}

Deno.writeTextFileSync(
  path("fixtures/tiny.json"),
  JSON.stringify({
    images: [0, 1].map((image) =>
      btoa(String.fromCharCode(...set.images[image][0].data))
    ),
    questions: questions.map(({ image, prompt: { before, after } }) => ({
      image,
      before,
      after,
    })),
    runs,
  }) + "\n",
);

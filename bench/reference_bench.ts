/**
 * Speed of the reference backend on the shapes of models/tiny, with all vision
 * tokens and with fewer: `deno task bench`.
 */

import {
  createRandom,
  createReferenceBackend,
  embedImages,
  embedPrompts,
  fromRates,
  fullSchedule,
  nextTokenLogits,
  runDecoder,
} from "../core/mod.ts";
import { drawScene, SCENE_SIZE, sceneRandom } from "../eval/mod.ts";
import { loadModel } from "../study/load.ts";

const backend = createReferenceBackend();
const random = createRandom(0);
const normal = (length: number): Float32Array =>
  Float32Array.from({ length }, () => random.normal());

const x = backend.upload(normal(152 * 128), [1, 152, 128]);
const square = backend.uploadWeight(normal(128 * 128), [128, 128]);
const wide = backend.uploadWeight(normal(320 * 128), [320, 128]);
Deno.bench("linear 152x128 -> 128 (5.0 MFLOP)", { group: "linear" }, () => {
  backend.linear(x, square);
});
Deno.bench("linear 152x128 -> 320 (12.5 MFLOP)", { group: "linear" }, () => {
  backend.linear(x, wide);
});
Deno.bench(
  "attention, 152 tokens, 4 heads of 32",
  { group: "attention" },
  () => {
    backend.attention(x, x, x, { headWidth: 32 });
  },
);

const { model } = await loadModel(null, { device: "cpu" });
const { visionTokens, decoder: { layers } } = model.config;
const { pixels } = drawScene(sceneRandom("heldout", 0, 0));
const image = { width: SCENE_SIZE, height: SCENE_SIZE, data: pixels };
const vision = embedImages(model, [image]);
const prompt = { before: [1], after: [6, 7, 8, 9, 10, 5] };
Deno.bench("vision tower and projector", { group: "model" }, () => {
  embedImages(model, [image]);
});
for (
  const [name, schedule] of [
    ["all vision tokens", fullSchedule(layers, visionTokens)],
    [
      "half of them from layer 2 on",
      fromRates([1, 1, .5, .5, .5, .5, .5, .5], visionTokens),
    ],
  ] as const
) {
  Deno.bench(`prefill, ${name}`, { group: "prefill" }, () => {
    const state = embedPrompts(model, vision, [prompt]);
    nextTokenLogits(model, runDecoder(model, state, schedule));
  });
}
